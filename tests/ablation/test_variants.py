from pathlib import Path

import pytest

from stages.ablation import variants
from stages.pipeline.cli import UserError


def test_what_differs_from_the_committed_parameters() -> None:
    """Changed and missing keys, at any depth; what the workspace has besides is not touched."""
    committed = {"seed": 1, "train": {"loss": "cce", "weights": [1, 2], "gone": None}}
    workspace = {"seed": 1, "train": {"loss": "dice", "weights": [1, 3], "more": 4}}
    assert variants.changed(committed, workspace) == {
        "train.loss": "cce",
        "train.weights": [1, 2],
        "train.gone": None,
    }


def test_no_commit_to_start_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told, and nothing is run."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"expected a committed params\.yaml to start from, found none"):
        variants.run("train.loss", ["cce"])
