"""What happens around the epochs of a training."""

from types import SimpleNamespace

import numpy as np
import pytest

from stages.dataset.prepared import Sample
from stages.pipeline.arrays import UInt8
from stages.postprocessing.prediction import Prediction

pytestmark = pytest.mark.slow

LEVELS = np.array([[[200, 150], [130, 200], [0, 0]]], np.uint8)  # one row of three pixels, two classes


def figures(monkeypatch: pytest.MonkeyPatch, true: UInt8) -> dict[str, float]:
    """Validation figures of one image with these true masks, for which a network answers LEVELS."""
    from stages.inference import averaging
    from stages.training import callbacks

    prediction = Prediction(LEVELS, np.array([255, 255], np.uint8))
    monkeypatch.setattr(averaging, "of_images", lambda networks, images, layout, batch_size: iter([prediction]))
    data = SimpleNamespace(classes=["pit", "line"], layout=None, image=lambda _: None, label_map=lambda _: true)
    return callbacks.validate(None, data, [Sample(0, "x.png", 0, 0, (1, 1))], 1)  # type: ignore[arg-type]


def test_validation_of_a_label_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pixel gets its most probable class: pit and line, both right; a line on the third is missed: Dice 1, 2/3."""
    found = figures(monkeypatch, np.array([[1, 2, 2]], np.uint8))
    assert found == dict.fromkeys(("mean_dice", "positive_mean_dice", "mean_f1"), (1 + 2 / 3) / 2)


def test_validation_of_classes_that_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both classes on two pixels: the pit is there on the first alone, so that its Dice is 2·1/(1 + 2)."""
    found = figures(monkeypatch, np.array([[[1, 1], [0, 1], [0, 0]]], np.uint8))
    assert found == dict.fromkeys(("mean_dice", "positive_mean_dice", "mean_f1"), (2 / 3 + 1) / 2)
