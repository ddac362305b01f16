"""Overlaps of true and predicted masks and their figures, counted by hand."""

import numpy as np
import pytest

from stages.scoring import confusion, dice, overlaps

TRUE = np.array([[0, 0, 0, 1], [1, 1, 2, 2]], np.uint8)
PREDICTED = np.array([[0, 0, 1, 1], [0, 1, 2, 0]], np.uint8)
COUNTED = [[2, 2, 1, 0], [3, 3, 2, 0], [4, 3, 1, 0]]  # background first: right, true, predicted


def test_empty_masks() -> None:
    """Both empty; a pixel predicted; a pixel missed. As label maps, as planes, and one against the other."""
    nothing, one = np.zeros((1, 2), np.uint8), np.array([[0, 1]], np.uint8)
    for true, predicted, expected in (
        (nothing, nothing, [[2, 0], [2, 0], [2, 0]]),
        (nothing, one, [[1, 0], [2, 0], [1, 1]]),
        (one, nothing, [[1, 0], [1, 1], [2, 0]]),
    ):
        for first in (true, true[..., np.newaxis]):
            for second in (predicted, predicted[..., np.newaxis]):
                counted = overlaps.count(first, second, 1)
                assert (counted.tolist(), counted.dtype) == (expected, np.int64)


def test_label_maps_are_counted_by_class() -> None:
    """From the pixels, or from their matrix where that is known already."""
    counted = overlaps.count(TRUE, PREDICTED, 3)
    assert (counted.tolist(), counted.dtype) == (COUNTED, np.int64)
    matrix = confusion.matrix(TRUE, PREDICTED, 3)
    assert overlaps.count(TRUE, PREDICTED, 3, matrix).tolist() == COUNTED


def test_a_pixel_counts_for_each_of_its_classes() -> None:
    """Four pixels of two classes: both and both, both and the second, the first and none, none and none."""
    true = np.array([[[1, 1], [1, 1], [1, 0], [0, 0]]], np.uint8)
    predicted = np.array([[[1, 1], [0, 1], [0, 0], [0, 0]]], np.uint8)
    matrix = confusion.matrix(true, predicted, 2)
    for given in (None, matrix):  # the matrix of planes does not tell
        assert overlaps.count(true, predicted, 2, given).tolist() == [[1, 1, 2], [1, 3, 2], [2, 1, 2]]


def test_true_masks_may_overlap_where_predicted_ones_do_not() -> None:
    """Pixels of both classes, taken for the second and for the first, and one of the second alone that is missed."""
    true, predicted = np.array([[[1, 1], [1, 1], [0, 1]]], np.uint8), np.array([[2, 1, 0]], np.uint8)
    assert overlaps.count(true, predicted, 2).tolist() == [[0, 1, 1], [0, 2, 3], [1, 1, 1]]
    assert overlaps.count(predicted, true, 2).tolist() == [[0, 1, 1], [1, 1, 1], [0, 2, 3]]


def test_planes_without_an_overlap_count_as_a_label_map() -> None:
    """Both forms of either side, on noise."""
    maps = np.random.default_rng(2).integers(0, 4, (2, 9, 11)).astype(np.uint8)
    forms = [(labels, (labels[..., np.newaxis] == (1, 2, 3)).astype(np.uint8)) for labels in maps]
    counted = [overlaps.count(true, predicted, 3).tolist() for true in forms[0] for predicted in forms[1]]
    assert counted == [counted[0]] * 4


def test_overlaps_are_what_dice_takes() -> None:
    """Of classes 1 to 3: 2, 1, 0 pixels right, 3, 2, 0 true, 3, 1, 0 predicted; Dice 4/6, 2/3, and 1 for none."""
    of_classes = overlaps.of_classes(np.array(COUNTED))
    assert [numbers.tolist() for numbers in of_classes] == [[2, 1, 0], [3, 2, 0], [3, 1, 0]]
    assert dice.dice(*of_classes).tolist() == [2 / 3, 2 / 3, 1.0]


def test_overlaps_of_many_images() -> None:
    """Overlaps of several images at once give one row of numbers an image; so do their matrices."""
    other = overlaps.count(PREDICTED, PREDICTED, 3)
    stacked = np.stack([np.array(COUNTED), other])
    intersection, true, predicted = overlaps.of_classes(stacked)
    assert intersection.tolist() == [[2, 1, 0], [3, 1, 0]]
    assert true.tolist() == [[3, 2, 0], [3, 1, 0]]
    assert predicted.tolist() == [[3, 1, 0], [3, 1, 0]]
    matrices = np.stack([confusion.matrix(labels, PREDICTED, 3) for labels in (TRUE, PREDICTED)])
    assert (overlaps.of_matrix(matrices) == stacked).all()


def test_figures() -> None:
    """Class 2: its one predicted pixel is right, one of two is found, F1 = 2·1 / (2 + 1), IoU = 1 / (2 + 1 - 1)."""
    background, first, second, _ = overlaps.figures(np.array(COUNTED))
    assert background == {"precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7, "iou": 2 / 5}
    assert first == {"precision": 2 / 3, "recall": 2 / 3, "f1": 4 / 6, "iou": 2 / 4}
    assert second == {"precision": 1 / 1, "recall": 1 / 2, "f1": 2 / 3, "iou": 1 / 2}


def test_figures_of_a_class_that_does_not_occur() -> None:
    """Neither true nor predicted: 0/0 throughout, and None, not 0 and not NaN."""
    assert overlaps.figures(np.array(COUNTED))[3] == {"precision": None, "recall": None, "f1": None, "iou": None}


def test_figures_of_a_collapsed_network() -> None:
    """Never predicted: precision is undefined, the other three are 0."""
    never = overlaps.figures(overlaps.of_matrix(np.array([[90, 0], [10, 0]])))[1]
    assert never == {"precision": None, "recall": 0.0, "f1": 0.0, "iou": 0.0}


def test_figures_of_a_class_with_false_positives_only() -> None:
    """Predicted where it never occurs: recall is undefined, the other three are 0."""
    found = overlaps.figures(overlaps.of_matrix(np.array([[90, 10], [0, 0]])))[1]
    assert found == {"precision": 0.0, "recall": None, "f1": 0.0, "iou": 0.0}


def test_a_validation_set_of_real_size() -> None:
    """2,500 images of 409,600 pixels make 10⁹ pixels, and one false pixel among them is still seen."""
    right = 2_500 * 409_600 - 1
    counted = overlaps.of_matrix(np.array([[right * 4, 1], [0, 0]], np.int64))
    assert overlaps.figures(counted)[0]["recall"] == pytest.approx(1, abs=1e-9)
    assert overlaps.figures(counted)[0]["recall"] < 1


def test_figures_are_plain_numbers() -> None:
    """JSON takes the figures as they are."""
    assert {type(value) for figures in overlaps.figures(np.array(COUNTED)) for value in figures.values()} == {
        float,
        type(None),
    }
