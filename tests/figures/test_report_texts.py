"""What the report says: definitions as in the docs, and what check_data found."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from stages.figures import data_warnings
from stages.figures.definitions import DEFINITIONS, DICE
from tests.support.drawn_report import CHECKS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", [*DEFINITIONS, "dice"])
def test_definitions_are_those_of_the_docs(name: str) -> None:
    """docs/figures.md has each of them word for word."""
    page = " ".join((ROOT / "docs/figures.md").read_text(encoding="utf-8").split())
    assert ({**DEFINITIONS, "dice": DICE}[name]).partition("; the mean over the classes")[0] in page


def test_no_findings() -> None:
    """Nothing is said."""
    assert data_warnings.sentences(CHECKS | {"warnings": 0}) == []


def test_findings() -> None:
    """Problems come before warnings; the last line says how to read them in full."""
    checks: dict[str, Any] = copy.deepcopy(CHECKS)
    checks["validation"]["fold_0"] |= {"auc": 0.8, "auc_low": 0.7}
    checks["held_out"] |= {"auc": 0.8, "auc_low": 0.5}  # may be chance
    checks["leakage"]["pairs_across_folds"] = 3
    checks["test"]["brightness"] |= {"d": -0.9, "test": 80}
    checks["test"]["black"]["d"] = 0.6  # large, but check_data counts one problem less: it may be chance
    found = data_warnings.sentences(checks | {"problems": 3})
    assert found == [
        "A classifier tells validation fold 0 from the images trained on (AUC 0.80, chance is 0.5)",
        "3 pair(s) of near-duplicates lie in different folds: figures may be too good",
        "The test images differ in brightness: 80 on average, 1 in the training images",
        "Few examples of dark: fewer than 5 groups of near-duplicates among the validation or the held-out images, so "
        "their figures mean little",
        "Data checks: 3 problem(s), 1 warning(s); python -m stages.check_data says what to do",
    ]


def test_the_committed_figures_are_read() -> None:
    """The file of a real run has all that is needed."""
    checks = json.loads((ROOT / "metrics/check_data.json").read_text(encoding="utf-8"))
    assert bool(data_warnings.sentences(checks)) == bool(checks["problems"] + checks["warnings"])
