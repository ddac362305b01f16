"""Data that the pipeline would remove is refused as a source."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.pipeline import paths, settings
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]
BESIDE = ["data", ".", "..", "data/kaggle/mine.zip", "data/state", "metrics/explore/x", "data/model", "metrics"]


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Those of params.yaml, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    content: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("source", BESIDE)
def test_data_that_the_pipeline_would_remove(source: str, parameters: dict[str, Any]) -> None:
    """Nothing of the user's may lie inside or around a folder that DVC or a stage empties."""
    parameters["download"]["source"] = source
    with pytest.raises(UserError, match="download: source: expected data neither inside nor around "):
        settings.parsed(parameters)


@pytest.mark.parametrize("source", ["data/mine.zip", "mine", "sample", "kaggle", "/data"])
def test_data_beside_it(source: str, parameters: dict[str, Any]) -> None:
    """A file in data/ stays."""
    parameters["download"]["source"] = source
    assert settings.parsed(parameters).download.source == source


def test_every_folder_that_dvc_empties_is_known() -> None:
    """Outputs and plots of dvc.yaml that are folders."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    written = [entry for stage in stages for kind in ("outs", "plots") for entry in stage.get(kind, [])]
    folders = {next(iter(entry)) if isinstance(entry, dict) else entry for entry in written}
    assert {Path(path) for path in folders if not Path(path).suffix} <= set(paths.REMOVED)
