"""The pixel confusion matrix, counted by hand."""

import numpy as np
import pytest

from stages.scoring import confusion

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


def test_shares_are_of_the_true_class() -> None:
    """Each row is divided by its sum; the row of a class that does not occur stays 0."""
    expected = [[2 / 3, 1 / 3, 0, 0], [1 / 3, 2 / 3, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 0]]
    assert confusion.shares(np.array(COUNTED)).tolist() == expected


def test_pixel_accuracy_is_no_mean_of_the_diagonal() -> None:
    """90 of 110 pixels are right, whatever their classes; the mean of the shares would be 0.5."""
    matrix = np.array([[90, 0], [20, 0]])
    assert confusion.pixel_accuracy(matrix) == 90 / 110
    assert np.diagonal(confusion.shares(matrix)).mean() == 0.5
    assert confusion.pixel_accuracy(np.zeros((2, 2), np.int64)) is None


def planes(*drawings: str) -> np.ndarray:
    """One row of pixels in which classes overlap, from a drawing of each class."""
    return np.array([[[int(pixel) for pixel in column] for column in zip(*drawings, strict=True)]], np.uint8)


def test_nothing_in_planes() -> None:
    """All background."""
    nothing = planes("00", "00")
    assert confusion.matrix(nothing, nothing, 2).tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("true", "predicted", "cell"),
    [
        ("00", "01", (0, 2)),
        ("01", "00", (2, 0)),
        ("11", "00", (1, 0)),  # the lowest true class
        ("00", "11", (0, 1)),  # the lowest predicted class
        ("11", "01", (2, 2)),  # a true class that is predicted
        ("11", "11", (1, 1)),  # the lowest of several
        ("01", "11", (2, 2)),
        ("10", "01", (1, 2)),
    ],
)
def test_a_pixel_of_several_classes_is_counted_once(true: str, predicted: str, cell: tuple[int, int]) -> None:
    """One pixel, drawn by class."""
    matrix = confusion.matrix(planes(*true), planes(*predicted), 2)
    assert np.argwhere(matrix).tolist() == [list(cell)]
    assert (matrix.sum(), matrix.dtype) == (1, np.int64)


def test_planes_against_a_label_map() -> None:
    """Five pixels, both ways round: right by the second class, wrong, missed, right, background."""
    true, predicted = planes("11110", "10000"), np.array([[2, 2, 0, 1, 0]], np.uint8)
    assert confusion.matrix(true, predicted, 2).tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 1]]
    assert confusion.matrix(predicted, true, 2).tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 1]]


def test_planes_without_an_overlap_are_a_label_map() -> None:
    """The same matrix."""
    true, predicted = np.random.default_rng(2).integers(0, 4, (2, 9, 11)).astype(np.uint8)
    there, found = ((labels[..., np.newaxis] == (1, 2, 3)).astype(np.uint8) for labels in (true, predicted))
    assert (confusion.matrix(there, found, 3) == confusion.matrix(true, predicted, 3)).all()
