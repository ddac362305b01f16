"""The stage postprocess on drawn images: its metrics, and what it warns of and tells."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stages import postprocess
from stages.dataset.prepared import Dataset
from stages.inference import ensemble, probabilities
from stages.pipeline import paths
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rule, Rules

ROOT = Path(__file__).parents[1]
# Eight validation images: four bright squares, two dark ones, and two images without a defect.
FIXED: dict[str, Any] = {
    "gate": "none", "thresholds": [128, 128], "gates": [0, 0], "min_areas": [0, 0], "min_components": [0, 0],
}  # fmt: skip


@pytest.fixture
def project(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Probabilities of a network that is always right, and calls the corner of every image bright."""
    (tmp_path / "data").mkdir()
    (tmp_path / "prepared").rename(tmp_path / "data/prepared")
    monkeypatch.chdir(tmp_path)
    data, found = Dataset(paths.PREPARED), []
    for sample in data.fold(0) + data.fold(1):
        labels = data.labels[sample.position]
        pixels = np.stack([labels == class_id for class_id in (1, 2)], axis=-1) * np.uint8(200)
        pixels[:4, :4, 0] = 150
        found.append((sample.image, Prediction(pixels, np.full(2, 255, np.uint8))))
    probabilities.write(paths.VALIDATION_PROBABILITIES, found)
    paths.MODEL.mkdir()
    members = [ensemble.EnsembleMember(f"fold_{k}", k, True, False, (1.0,) * 3, (0.5, 0.3, 0.2)) for k in (0, 1)]
    ensemble.write(paths.MODEL, ensemble.Ensemble({}, members))
    return tmp_path


def run(**changes: Any) -> dict[str, Any]:
    """Run the stage with these parameters of post-processing; its metrics."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["competition"] |= {"image_height": 40, "image_width": 72, "classes": ["bright", "dark"]}
    params["preprocess"]["folds"] = 3
    params["train"] |= {"class_weights": None, "folds": [0, 1]}
    params["postprocess"] |= FIXED | {"objective": "competition", "min_precision": 0.5} | changes
    paths.PARAMS.write_text(yaml.safe_dump(params))
    postprocess.postprocess()
    metrics: dict[str, Any] = json.loads(paths.POSTPROCESS_METRICS.read_text())
    return metrics


def test_images_that_are_found_are_counted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All defects are found; every image has a bright mask, and four of the eight are right."""
    metrics = run()
    bright, dark = metrics["classes"]["bright"], metrics["classes"]["dark"]
    assert (bright["image_recall"], bright["image_precision"]) == (1, 0.5)
    assert (dark["image_recall"], dark["image_precision"]) == (1, 1)
    assert (bright["threshold"], bright["veto"]) == (128 / 255, 0)
    assert (metrics["lost_dice"], metrics["warning"]) == (0, 0)
    printed = capsys.readouterr().out
    assert "bright: probability >= 0.50, gate (none) >= 0, mask >= 0 pixels, each component >= 0; " in printed
    assert "found in 1.000 of the images that show it, and 0.500 of the images with a mask are right" in printed
    assert "WARNING" not in printed


def test_a_search_that_costs_dice_is_warned_about(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A smallest mask of 1,000 pixels removes all dark squares: half of the Dice where there is a mask, and more."""
    metrics = run(min_areas=[0, 1000])
    assert metrics["warning"] == 1
    assert metrics["positive_mean_dice"] == pytest.approx(metrics["positive_mean_dice_without"] - 0.5)
    assert metrics["lost_dice"] == pytest.approx(0.5 / metrics["positive_mean_dice_without"])
    assert metrics["classes"]["dark"]["image_precision"] is None
    printed = capsys.readouterr().out
    assert "postprocess: WARNING: post-processing costs 50." in printed
    assert "with it): change postprocess.min_areas, or set it to null\n" in printed
    assert "and undefined of the images with a mask are right" in printed


def test_a_precision_that_cannot_be_reached_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The corners are below 180, so that the search reaches a precision of 1; at a fixed threshold it does not."""
    asked = {"objective": "find_defects", "min_precision": 0.9}
    metrics = run(**asked, thresholds=None)
    assert metrics["classes"]["bright"]["image_precision"] == 1
    assert "no setting reaches" not in capsys.readouterr().out
    run(**asked)
    told = "bright: no setting reaches postprocess.min_precision = 0.9: the one with the highest precision, 0.500, is"
    printed = capsys.readouterr().out
    assert told in printed
    assert "dark: no setting reaches" not in printed


def test_a_veto_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With the factor by which it multiplies the smallest mask."""
    figures = {"image_recall": 1.0, "image_precision": 1.0}
    postprocess._report(Rules("none", (Rule(128, 0, 50, 0, veto=7),)), {"pit": figures})
    assert "mask >= 50 pixels (times up to 8 as presence falls), each component" in capsys.readouterr().out
