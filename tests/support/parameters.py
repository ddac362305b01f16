"""Parameters for tests of settings, and the lines of a message about them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.pipeline import settings
from stages.pipeline.cli import UserError

COMMITTED = Path(__file__).parents[2] / "params.yaml"

Load = Callable[..., settings.Settings]


def parameters() -> dict[str, Any]:
    """The committed parameters, with fixed values where the tests rely on them, so that params.yaml may change."""
    content = yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))
    content["competition"]["classes"] = ["pit", "line", "scratch", "patch"]
    content["preprocess"]["folds"] = 5
    content["train"] |= {"folds": [0], "class_weights": None}
    return content


def lines(error: pytest.ExceptionInfo[UserError], path: Path) -> list[str]:
    """The message's lines, without the file's name that starts each."""
    found = str(error.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in found)
    return [line.removeprefix(f"{path}: ") for line in found]
