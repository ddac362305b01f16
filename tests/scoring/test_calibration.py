import numpy as np
import pytest

from stages.scoring import calibration


def counts(*pixels: tuple[int, int, int], classes: int = 1) -> np.ndarray:
    """A histogram of class 1 from triples of level, how many hold the class, and how many do not."""
    histogram = np.zeros((classes, 2, 256), np.int64)
    for level, there, elsewhere in pixels:
        histogram[0, :, level] += (elsewhere, there)
    return histogram


def test_one_row_a_bin_that_has_pixels() -> None:
    """Levels 51 and 102 lie in bins 3 and 7: 1 of 5 pixels holds the class, then 3 of 4."""
    assert calibration.curve(counts((51, 1, 4), (102, 3, 1))) == [(1, 51 / 255, 0.2, 5), (1, 102 / 255, 0.75, 4)]


def test_a_bin_stands_at_the_mean_of_its_pixels() -> None:
    """Levels 1 and 4 share the first bin, one pixel against two: the mean is 3."""
    assert calibration.curve(counts((1, 1, 0), (4, 0, 2))) == [(1, pytest.approx(3 / 255), pytest.approx(1 / 3), 3)]


def test_bins_have_12_or_13_levels() -> None:
    """12 is the last level of the first bin, 13 the first of the second, 255 the last of the twentieth."""
    assert len(calibration.curve(counts((12, 1, 0), (13, 1, 0), (243, 1, 0), (244, 1, 0), (255, 1, 0)))) == 4
    assert len(calibration.curve(counts(*((level, 1, 0) for level in range(256))))) == calibration.BINS


def test_error_of_two_bins_by_hand() -> None:
    """(5 · |0.2 - 0.2| + 4 · |0.75 - 0.4|) / 9."""
    error = calibration.expected_calibration_error(counts((51, 1, 4), (102, 3, 1)))
    assert error == pytest.approx([4 * 0.35 / 9])


@pytest.mark.parametrize(("there", "elsewhere", "expected"), [(3, 0, 0.0), (0, 3, 1.0)])
def test_certainty_is_right_or_wrong(there: int, elsewhere: int, expected: float) -> None:
    """Level 255 everywhere: 0 where all is so, 1 where nothing is."""
    assert calibration.expected_calibration_error(counts((255, there, elsewhere))) == [expected]


def test_level_zero_has_no_part() -> None:
    """A million pixels of clean steel leave both figures as they were."""
    small, large = counts((102, 3, 1)), counts((0, 5, 1_000_000), (102, 3, 1))
    assert calibration.curve(large) == calibration.curve(small)
    assert calibration.expected_calibration_error(large) == calibration.expected_calibration_error(small)


def test_a_class_without_any_probability_is_undefined() -> None:
    """None, not 0; the other class has its figure and its ClassId."""
    histogram = counts((0, 0, 7), classes=2)
    histogram[1, 1, 255] = 2
    assert calibration.expected_calibration_error(histogram) == [None, 0.0]
    assert calibration.curve(histogram) == [(2, 1.0, 1.0, 2)]
