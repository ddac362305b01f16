import numpy as np
import pytest

from stages.masks import thresholds

# One row of four pixels: the first two are class 1. Its probability is 0.9, 0.29, 0.5 and 0.
TRUE = np.array([[1, 1, 0, 0]], np.uint8)
P = np.array([0.9, 0.29, 0.5, 0], np.float32)
PROBABILITIES = np.stack([1 - P, P], axis=-1)[np.newaxis]  # (1, 4, 2)


def at(rows: list[tuple[int, float, float, float]], threshold: float) -> tuple[float, float]:
    """Precision and recall of class 1 at a threshold."""
    return next(row[2:] for row in rows if row[:2] == (1, threshold))


def test_histogram_counts_pixels_by_truth_and_hundredth() -> None:
    """0.29, which float32 holds a little above 0.29, 0.9 a little below, both belong to their own step."""
    counts = thresholds.histogram(PROBABILITIES, TRUE)
    assert counts.shape == (1, 2, 101)
    assert counts[0, 1].nonzero()[0].tolist() == [29, 90]
    assert counts[0, 0].nonzero()[0].tolist() == [0, 50]
    assert counts.sum() == 4


def test_a_probability_of_one_is_counted() -> None:
    """In the last entry."""
    sure = np.array([[[0, 1]]], np.float32)
    assert thresholds.histogram(sure, np.array([[1]], np.uint8))[0, 1, 100] == 1


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.01, (2 / 3, 1)),  # three pixels reach it, two rightly
        (0.29, (2 / 3, 1)),  # reached by 0.29 itself
        (0.3, (1 / 2, 1 / 2)),
        (0.5, (1 / 2, 1 / 2)),
        (0.51, (1, 1 / 2)),
        (0.9, (1, 1 / 2)),
    ],
)
def test_precision_and_recall_at_a_threshold(threshold: float, expected: tuple[float, float]) -> None:
    """By hand, from four pixels."""
    assert at(thresholds.curve(thresholds.histogram(PROBABILITIES, TRUE)), threshold) == pytest.approx(expected)


def test_what_is_undefined_has_no_row() -> None:
    """Above 0.9 nothing is predicted; a class that does not occur has no recall."""
    rows = thresholds.curve(thresholds.histogram(PROBABILITIES, TRUE))
    assert max(row[1] for row in rows) == 0.9
    assert thresholds.curve(thresholds.histogram(PROBABILITIES, np.zeros_like(TRUE))) == []


def test_histograms_of_images_add_up() -> None:
    """Two images at once, or one after the other."""
    both = thresholds.histogram(np.concatenate([PROBABILITIES] * 2), np.concatenate([TRUE] * 2))
    np.testing.assert_array_equal(both, 2 * thresholds.histogram(PROBABILITIES, TRUE))
