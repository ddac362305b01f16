"""What the probabilities of an image say of its predicted masks."""

import numpy as np
import pytest

from stages.postprocessing import evidence
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import plain

PRESENT = np.array([255, 255], np.uint8)


def described(pixels: list[list[list[int]]], labels: list[list[int]], distance: float = 0.0) -> dict[str, list[float]]:
    """The evidence of two classes, by name."""
    prediction = Prediction(np.array(pixels, np.uint8), PRESENT)
    found = evidence.of_image(prediction, np.array(labels, np.uint8), plain(2), distance)
    return dict(zip(evidence.NAMES, found.T.tolist(), strict=True))


def test_a_mask_and_no_mask() -> None:
    """Two pixels of level 204 (0.8) and 51 (0.2) of the first class, of which the first is its mask; nothing else."""
    found = described([[[204, 0], [51, 0]]], [[1, 0]], distance=1.5)
    assert found["soft Dice"] == pytest.approx([2 * 0.8 / (0.8 + 0.2 + 1), 0])
    assert found["margin"] == pytest.approx([0.6, 0])
    assert found["area"] == pytest.approx([np.log(2), 0])
    assert found["expected area"] == pytest.approx([np.log(2), 0])
    assert found["largest probability"] == pytest.approx([0.8, 0])
    bits = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.2))  # the same for both pixels
    assert found["entropy"] == pytest.approx([2 * bits / 2, 0], abs=1e-9)
    assert found["distance"] == [1.5, 1.5]


def test_a_sure_network_expects_a_dice_of_one() -> None:
    """A probability of 1 in the mask and 0 elsewhere."""
    assert described([[[255, 0], [0, 0]]], [[1, 0]])["soft Dice"] == [1.0, 0.0]


def test_planes_of_classes_that_overlap() -> None:
    """One pixel that both classes have."""
    prediction = Prediction(np.array([[[255, 255], [0, 255]]], np.uint8), PRESENT)
    labels = np.array([[[1, 1], [0, 0]]], np.uint8)
    found = evidence.of_image(prediction, labels, plain(2, overlapping=True), 0.0)
    assert found[:, 0] == pytest.approx([1, 2 / 3])  # the second class misses one pixel of two


def test_probabilities_are_corrected_first() -> None:
    """A weight of 3 makes 1/2 of 1/4 (see class_weights)."""
    rules = plain(1)
    weighted = type(rules)(rules.gate, rules.rules, (3.0,))
    prediction = Prediction(np.array([[[128]]], np.uint8), np.array([255], np.uint8))
    found = evidence.of_image(prediction, np.array([[1]], np.uint8), weighted, 0.0)
    assert found[0, -2] == pytest.approx(64 / 255)
