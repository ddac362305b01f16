"""What the report says: definitions as in the docs."""

from pathlib import Path

import pytest

from stages.figures.definitions import DEFINITIONS, DICE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [*DEFINITIONS, "dice"])
def test_definitions_are_those_of_the_docs(name: str) -> None:
    """docs/figures.md has each of them word for word."""
    page = " ".join((ROOT / "docs/figures.md").read_text(encoding="utf-8").split())
    assert ({**DEFINITIONS, "dice": DICE}[name]).partition("; the mean over the classes")[0] in page
