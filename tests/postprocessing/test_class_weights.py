"""Probabilities without the weights that training gave to classes."""

import numpy as np
import pytest

from stages.postprocessing.class_weights import corrected
from tests.support.predictions import prediction


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        # (102/2) / (102 + 102/2 + 51/1) = 51/204 and 51/204 of 255
        ((102, 51), (64, 64)),
        # nothing left for the background: (204/2) / (204/2 + 51) = 2/3 and 1/3
        ((204, 51), (170, 85)),
        # sums that rounding has lifted above 255 count as no background: (102) / (102 + 52)
        ((204, 52), (169, 86)),
        ((255, 0), (255, 0)),
        ((0, 0), (0, 0)),
    ],
)
def test_weights_are_undone_in_a_softmax(levels: tuple[int, int], expected: tuple[int, int]) -> None:
    """Class 1 had twice the background's weight, class 2 the same; by hand."""
    found = corrected(prediction([[levels[0]]], [[levels[1]]]), (2.0, 1.0), softmax=True).pixels
    assert (found.tolist(), found.dtype) == ([[list(expected)]], np.uint8)


def test_weights_are_undone_in_a_sigmoid() -> None:
    """(51/3) / (204 + 51/3) of 255 is 19.6; each class by itself, and 0 and 255 stay."""
    found = corrected(prediction([[51, 255]], [[51, 0]]), (3.0, 1.0), softmax=False).pixels
    assert (found.tolist(), found.dtype) == ([[[20, 51], [255, 0]]], np.uint8)


def test_without_factors_nothing_is_corrected() -> None:
    """The prediction comes back as it is."""
    drawn = prediction([[128]])
    assert corrected(drawn, None, softmax=True) is drawn
