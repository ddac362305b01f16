from pathlib import Path

import pytest

from stages.ablation import variants
from stages.pipeline.cli import UserError


def test_no_commit_to_start_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reported, and nothing is run."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("seed: 1\n")
    with pytest.raises(UserError, match=r"expected a committed params\.yaml to start from, found none"):
        variants.run("train.loss", ["cce"])
