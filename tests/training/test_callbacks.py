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
    data = SimpleNamespace(
        classes=["pit", "line"], layout=None, image=lambda sample: None, label_map=lambda sample: true
    )
    return callbacks.validate(None, data, [Sample(0, "x.png", 0, 0, (1, 1), (1, 3))], 1)  # type: ignore[arg-type]


def test_validation_of_a_label_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pixel gets its most probable class: pit and line, both right; a line on the third is missed: Dice 1, 2/3.

    Over all pixels 2·2/(3 + 2). IoU 1, above all thresholds, and 1/2, above none.
    """
    found = figures(monkeypatch, np.array([[1, 2, 2]], np.uint8))
    same = dict.fromkeys(("mean_dice", "positive_mean_dice", "mean_f1"), (1 + 2 / 3) / 2)
    assert found == same | {"global_dice": 4 / 5, "iou_thresholds": 1 / 2}


def test_validation_of_classes_that_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both classes on two pixels: the pit is there on the first alone, so that its Dice is 2·1/(1 + 2)."""
    found = figures(monkeypatch, np.array([[[1, 1], [0, 1], [0, 0]]], np.uint8))
    same = dict.fromkeys(("mean_dice", "positive_mean_dice", "mean_f1"), (2 / 3 + 1) / 2)
    assert found == same | {"global_dice": 6 / 7, "iou_thresholds": 1 / 2}


@pytest.mark.parametrize(
    ("monitor", "more"), [("mean_f1", []), ("mean_dice", []), ("global_dice", ["val_global_dice"])]
)
def test_logs_have_the_usual_figures_and_the_monitored_one(
    monkeypatch: pytest.MonkeyPatch, monitor: str, more: list[str]
) -> None:
    """Whatever validation computes, the curves of other trainings stay what they were."""
    from stages.training import callbacks

    names = ("mean_dice", "positive_mean_dice", "mean_f1", "global_dice", "iou_thresholds")
    monkeypatch.setattr(callbacks, "validate", lambda *given: dict.fromkeys(names, 0.5))
    options = SimpleNamespace(monitor=monitor, validation_batch_size=1)
    callback = callbacks.Validate(SimpleNamespace(), [None], options)  # type: ignore[arg-type]
    rate = SimpleNamespace(numpy=lambda: 0.1)
    callback.model, callback.network = SimpleNamespace(optimizer=SimpleNamespace(learning_rate=rate)), None
    logs: dict[str, float] = {}
    callback.on_epoch_end(0, logs)
    assert list(logs) == ["val_mean_dice", "val_positive_mean_dice", "val_mean_f1", *more, "learning_rate"]
