"""All readers that are fuzzed, by their kinds."""

import importlib
from collections.abc import Iterable

from tests.fuzzing.reader import Reader

KINDS = ("tables", "yaml", "zips", "images", "labels", "json", "prepared", "kaggle")
_MODULES = {"yaml": "yaml_files", "json": "json_files"}


def of_kinds(kinds: Iterable[str]) -> list[Reader]:
    """The readers of some kinds; the modules of the others are not imported."""
    found: list[Reader] = []
    for kind in kinds:
        found += importlib.import_module(f"tests.fuzzing.{_MODULES.get(kind, kind)}").READERS
    return found
