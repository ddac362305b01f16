"""The pixel confusion matrix and its figures, counted by hand."""

import numpy as np
import pytest

from stages.scoring import confusion, dice

TRUE = np.array([[0, 0, 0, 1], [1, 1, 2, 2]], np.uint8)
PREDICTED = np.array([[0, 0, 1, 1], [0, 1, 2, 0]], np.uint8)
# True background: two right, one taken for class 1. Class 1: one missed, two right. Class 2: one missed, one right.
COUNTED = [[2, 1, 0, 0], [1, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_matrix_counts_pixels_by_true_and_predicted_class() -> None:
    """Rows are true, columns predicted; a class that does not occur keeps its row and column."""
    matrix = confusion.matrix(TRUE, PREDICTED, 3)
    assert (matrix.tolist(), matrix.dtype) == (COUNTED, np.int64)
    assert confusion.matrix(PREDICTED, TRUE, 3).tolist() == np.transpose(COUNTED).tolist()


def test_many_classes_do_not_overflow_a_byte() -> None:
    """With 254 classes, cell 254·255 + 253 is far beyond what uint8 holds."""
    matrix = confusion.matrix(np.array([[254]], np.uint8), np.array([[253]], np.uint8), 254)
    assert matrix.shape == (255, 255)
    assert np.argwhere(matrix).tolist() == [[254, 253]]


@pytest.mark.parametrize("first", [0, 28])
@pytest.mark.parametrize("classes", [1, 2, 4, 7, 8, 12])
def test_matrix_against_a_count_pixel_by_pixel(classes: int, first: int) -> None:
    """Few classes and many, masks everywhere and in the last rows alone, each counted in a way of its own."""
    true, predicted = np.random.default_rng(classes).integers(0, classes + 1, (2, 30, 40)).astype(np.uint8)
    true[:first] = predicted[:first] = 0
    expected = np.zeros((classes + 1, classes + 1), np.int64)
    for pair in zip(true.ravel(), predicted.ravel(), strict=True):
        expected[pair] += 1
    counted = confusion.matrix(true, predicted, classes)
    assert (counted.tolist(), counted.dtype) == (expected.tolist(), np.int64)
    assert confusion.matrix(true[:, ::2], predicted[:, ::2], classes).sum() == 30 * 20  # not contiguous


@pytest.mark.parametrize("classes", [2, 20])
def test_a_label_that_is_no_class_is_refused(classes: int) -> None:
    """It would vanish from the sums otherwise."""
    with pytest.raises(ValueError, match=r"expected labels|cannot reshape"):
        confusion.matrix(np.array([[classes + 1, 0]], np.uint8), np.array([[classes, 0]], np.uint8), classes)


def test_overlaps_are_what_dice_takes() -> None:
    """Of classes 1 to 3: 2, 1, 0 pixels right, 3, 2, 0 true, 3, 1, 0 predicted; Dice 4/6, 2/3, and 1 for none."""
    overlaps = confusion.overlaps(np.array(COUNTED))
    assert [numbers.tolist() for numbers in overlaps] == [[2, 1, 0], [3, 2, 0], [3, 1, 0]]
    assert dice.dice(*overlaps).tolist() == [2 / 3, 2 / 3, 1.0]


def test_overlaps_of_many_images() -> None:
    """Matrices of several images at once give one row of numbers an image."""
    other = confusion.matrix(PREDICTED, PREDICTED, 3)
    intersection, true, predicted = confusion.overlaps(np.stack([np.array(COUNTED), other]))
    assert intersection.tolist() == [[2, 1, 0], [3, 1, 0]]
    assert true.tolist() == [[3, 2, 0], [3, 1, 0]]
    assert predicted.tolist() == [[3, 1, 0], [3, 1, 0]]


def test_shares_are_of_the_true_class() -> None:
    """Each row is divided by its sum; the row of a class that does not occur stays 0."""
    expected = [[2 / 3, 1 / 3, 0, 0], [1 / 3, 2 / 3, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 0]]
    assert confusion.shares(np.array(COUNTED)).tolist() == expected


def test_figures() -> None:
    """Class 2: its one predicted pixel is right, one of two is found, F1 = 2·1 / (2 + 1), IoU = 1 / (2 + 1 - 1)."""
    background, first, second, _ = confusion.figures(np.array(COUNTED))
    assert background == {"precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7, "iou": 2 / 5}
    assert first == {"precision": 2 / 3, "recall": 2 / 3, "f1": 4 / 6, "iou": 2 / 4}
    assert second == {"precision": 1 / 1, "recall": 1 / 2, "f1": 2 / 3, "iou": 1 / 2}


def test_figures_of_a_class_that_does_not_occur() -> None:
    """Neither true nor predicted: 0/0 throughout, and None, not 0 and not NaN."""
    assert confusion.figures(np.array(COUNTED))[3] == {"precision": None, "recall": None, "f1": None, "iou": None}


def test_figures_of_a_collapsed_network() -> None:
    """Never predicted: precision is undefined, the other three are 0."""
    never = confusion.figures(np.array([[90, 0], [10, 0]]))[1]
    assert never == {"precision": None, "recall": 0.0, "f1": 0.0, "iou": 0.0}


def test_figures_of_a_class_with_false_positives_only() -> None:
    """Predicted where it never occurs: recall is undefined, the other three are 0."""
    found = confusion.figures(np.array([[90, 10], [0, 0]]))[1]
    assert found == {"precision": 0.0, "recall": None, "f1": 0.0, "iou": 0.0}


def test_pixel_accuracy_is_no_mean_of_the_diagonal() -> None:
    """90 of 110 pixels are right, whatever their classes; the mean of the shares would be 0.5."""
    matrix = np.array([[90, 0], [20, 0]])
    assert confusion.pixel_accuracy(matrix) == 90 / 110
    assert np.diagonal(confusion.shares(matrix)).mean() == 0.5
    assert confusion.pixel_accuracy(np.zeros((2, 2), np.int64)) is None


def test_a_validation_set_of_real_size() -> None:
    """2,500 images of 409,600 pixels make 10⁹ pixels, and one false pixel among them is still seen."""
    right = 2_500 * 409_600 - 1
    matrix = np.array([[right * 4, 1], [0, 0]], np.int64)
    assert confusion.figures(matrix)[0]["recall"] == pytest.approx(1, abs=1e-9)
    assert confusion.figures(matrix)[0]["recall"] < 1


def test_figures_are_plain_numbers() -> None:
    """JSON takes the figures as they are."""
    assert {type(value) for figures in confusion.figures(np.array(COUNTED)) for value in figures.values()} == {
        float,
        type(None),
    }
