"""The stage expected_dice on drawn images."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import expected_dice
from stages.dataset.prepared import Dataset
from stages.inference import probabilities
from stages.pipeline import paths
from stages.pipeline.cli import UserError
from stages.postprocessing import expectation_file, expectations, rules_file
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import plain

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Probabilities of a network that is always right, and not quite sure."""
    (tmp_path / "data").mkdir()
    (tmp_path / "prepared").rename(tmp_path / "data/prepared")
    monkeypatch.chdir(tmp_path)
    data = Dataset(paths.PREPARED)

    def found(fold: int) -> list[tuple[str, Prediction]]:
        labels = ((sample.image, data.labels[sample.position]) for sample in data.fold(fold))
        planes = ((image, np.stack([of == 1, of == 2], axis=-1) * np.uint8(200)) for image, of in labels)
        return [(image, Prediction(pixels, np.full(2, 255, np.uint8))) for image, pixels in planes]

    probabilities.write(paths.VALIDATION_PROBABILITIES, [*found(0), *found(1)])
    probabilities.write(paths.HELD_OUT_PROBABILITIES, found(2))
    names = [sample.image for fold in (0, 1) for sample in data.fold(fold)]
    rules_file.write(paths.RULES, plain(2), [(names, plain(2))])
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["competition"] |= {"image_height": 40, "image_width": 72, "classes": ["bright", "dark"]}
    params["preprocess"]["folds"] = 3
    params["train"] |= {"class_weights": None, "folds": [0, 1]}
    paths.PARAMS.write_text(yaml.safe_dump(params))
    return tmp_path


def test_too_few_images_to_expect_anything(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight validation images have fewer than 19 masks: figures are null, and a line says so."""
    expected_dice.expected_dice()
    metrics = json.loads(paths.EXPECTED_DICE_METRICS.read_text())
    assert metrics["held_out"]["marked"]["coverage"] is None
    assert "predicted masks: too few in the validation folds" in capsys.readouterr().out
    assert expectation_file.read(paths.EXPECTED_DICE).model.marked is None


def test_a_network_that_is_always_right(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the few pairs that there are, it expects a Dice of 1, and finds it; the held-out fold teaches nothing."""
    monkeypatch.setattr(expectations, "FEWEST", 4)
    monkeypatch.setattr(expectations, "NEIGHBOURS", 4)
    expected_dice.expected_dice()
    found = json.loads(paths.EXPECTED_DICE_METRICS.read_text())["held_out"]
    data = Dataset(paths.PREPARED)
    masks = sum(pixels > 0 for sample in data.fold(2) for pixels in sample.pixels)
    assert found["marked"]["pairs"] == masks > 0
    assert found["empty"]["pairs"] == 2 * len(data.fold(2)) - masks
    assert (found["marked"]["expected"], found["marked"]["found"], found["marked"]["coverage"]) == (1, 1, 1)
    assert f"{masks} predicted masks of the held-out fold: expected Dice 1.000, found 1.000" in capsys.readouterr().out
    model = expectation_file.read(paths.EXPECTED_DICE).model
    assert model.marked is not None
    assert len(model.marked.dice) == sum(
        pixels > 0 for k in (0, 1) for sample in data.fold(k) for pixels in sample.pixels
    )


def test_a_file_of_something_else(tmp_path: Path) -> None:
    """One message that says how to make it again."""
    for content in ("{", "[]", '{"expectations": {}}', '{"expectations": {"classes": [1]}, "training": {}}'):
        (tmp_path / "expected.json").write_text(content)
        with pytest.raises(UserError, match=r"expected what the stage expected_dice writes, found: .*: run dvc repro"):
            expectation_file.read(tmp_path / "expected.json")
