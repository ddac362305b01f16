import numpy as np
import pytest

from stages.scoring import precision_recall

# One row of four pixels: the first two are class 1. Its level is 230 (0.902), 74 (0.2902), 128 (0.502) and 0.
TRUE = np.array([[1, 1, 0, 0]], np.uint8)
PIXELS = np.array([[[230], [74], [128], [0]]], np.uint8)  # (1, 4, 1)


def at(rows: list[tuple[int, float, float, float]], threshold: float) -> tuple[float, float]:
    """Precision and recall of class 1 at a threshold."""
    return next(row[2:] for row in rows if row[:2] == (1, threshold))


def test_histogram_counts_pixels_by_truth_and_level() -> None:
    """Each level has its own entry."""
    counts = precision_recall.histogram(PIXELS, TRUE)
    assert (counts.shape, counts.dtype) == ((1, 2, 256), np.int64)
    assert counts[0, 1].nonzero()[0].tolist() == [74, 230]
    assert counts[0, 0].nonzero()[0].tolist() == [0, 128]
    assert counts.sum() == 4


def test_a_probability_of_one_is_counted() -> None:
    """In the last entry."""
    assert precision_recall.histogram(np.array([[[255]]], np.uint8), np.array([[1]], np.uint8))[0, 1, 255] == 1


def test_classes_are_counted_apart() -> None:
    """A pixel of class 2 is elsewhere for class 1."""
    counts = precision_recall.histogram(np.array([[[3, 9]]], np.uint8), np.array([[2]], np.uint8))
    assert np.argwhere(counts).tolist() == [[0, 0, 3], [1, 1, 9]]


def test_a_pixel_of_both_classes_is_true_for_both() -> None:
    """Planes: the first pixel has both classes, the second none."""
    counts = precision_recall.histogram(np.array([[[3, 9], [4, 8]]], np.uint8), np.array([[[1, 1], [0, 0]]], np.uint8))
    assert np.argwhere(counts).tolist() == [[0, 0, 4], [0, 1, 3], [1, 0, 8], [1, 1, 9]]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.01, (2 / 3, 1)),  # three pixels reach it, two rightly
        (0.29, (2 / 3, 1)),  # 74/255 reaches it
        (0.3, (1 / 2, 1 / 2)),
        (0.5, (1 / 2, 1 / 2)),
        (0.51, (1, 1 / 2)),
        (0.9, (1, 1 / 2)),
    ],
)
def test_precision_and_recall_at_a_threshold(threshold: float, expected: tuple[float, float]) -> None:
    """By hand, from four pixels."""
    assert at(precision_recall.curve(precision_recall.histogram(PIXELS, TRUE)), threshold) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("level", "highest"), [(51, 0.2), (50, 0.19), (48, 0.18), (204, 0.8), (203, 0.79), (255, 0.99)]
)
def test_a_level_reaches_what_it_stands_for(level: int, highest: float) -> None:
    """51/255 is 0.2 exactly and reaches it, one level less does not; 48/255 is 0.188 and does not reach 0.19."""
    rows = precision_recall.curve(
        precision_recall.histogram(np.array([[[level]]], np.uint8), np.array([[1]], np.uint8))
    )
    assert max(row[1] for row in rows) == highest


def test_what_is_undefined_has_no_row() -> None:
    """Above 0.9 nothing is predicted; a class that does not occur has no recall."""
    rows = precision_recall.curve(precision_recall.histogram(PIXELS, TRUE))
    assert max(row[1] for row in rows) == 0.9
    assert precision_recall.curve(precision_recall.histogram(PIXELS, np.zeros_like(TRUE))) == []


def test_histograms_of_images_add_up() -> None:
    """Two images at once, or one after the other."""
    both = precision_recall.histogram(np.concatenate([PIXELS] * 2), np.concatenate([TRUE] * 2))
    np.testing.assert_array_equal(both, 2 * precision_recall.histogram(PIXELS, TRUE))
