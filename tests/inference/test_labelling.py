"""How sure networks are of an image, and which of them may label."""

import doctest

import numpy as np
import pytest

from stages.inference import labelling
from stages.inference.engines import Engine
from stages.inference.ensemble import Ensemble, EnsembleMember
from stages.pipeline import settings
from stages.pipeline.cli import UserError


def pixels(*planes: list[list[int]]) -> np.ndarray:
    """Levels of some classes, uint8 (height, width, classes)."""
    return np.stack([np.array(plane, np.uint8) for plane in planes], axis=-1)


def test_the_example_in_the_docstring() -> None:
    """It prints what stands there."""
    assert doctest.testmod(labelling).failed == 0


def test_the_least_sure_class_counts() -> None:
    """A class without a pixel above 1/2 is as sure as its largest probability is small; a mask as sure as its mean."""
    empty, likely, faint = [[0, 0], [0, 0]], [[255, 204], [0, 60]], [[0, 51], [0, 0]]
    assert labelling.confidence(pixels(empty, empty)) == 1
    assert labelling.confidence(pixels(empty, faint)) == pytest.approx(0.8)
    assert labelling.confidence(pixels(likely, empty)) == pytest.approx(0.9)  # (255 + 204) / 2, without the 60
    assert labelling.confidence(pixels(likely, faint)) == pytest.approx(0.8)


def test_it_is_never_below_a_half() -> None:
    """127 is no pixel of the class, 128 is one; 0.5 as the bound keeps every image."""
    for level in (127, 128):
        assert 0.5 < labelling.confidence(pixels([[level]])) < 0.51


def member(folder: str, fold: int | None) -> EnsembleMember:
    """A network."""
    return EnsembleMember(folder, fold, True, False, (1, 1), (0.5, 0.5))


ZERO, ONE, FINAL = member("fold_0", 0), member("fold_1", 1), member("final", None)


def test_who_labels_for_whom() -> None:
    """For a fold, those validated on it; for train.final all that never saw the held-out fold; otherwise a message."""
    networks = Ensemble({}, [ZERO, ONE, FINAL])
    assert labelling.labelling(networks, 0, "x") == [ZERO]
    assert labelling.labelling(networks, None, "x") == [ZERO, ONE]
    with pytest.raises(UserError, match=r"x: expected a network that was validated on fold 2, .* of fold 0, 1: "):
        labelling.labelling(networks, 2, "x")
    with pytest.raises(UserError, match=r"that was not trained on the held-out fold, found networks of fold none"):
        labelling.labelling(Ensemble({}, [FINAL]), None, "x")


def test_int8_labels_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other experiment's networks have not been quantised here."""
    options = settings.Inference.model_construct(batch_size=1, flips=False, engine="openvino", precision="int8")
    monkeypatch.setattr("stages.inference.engines.chosen", lambda options: Engine("openvino", options.precision))
    assert labelling.engine(options) == Engine("openvino", "float32")
    assert labelling.engine(options.model_copy(update={"precision": "bfloat16"})) == Engine("openvino", "bfloat16")
