"""Do probabilities mean what they say? Of the pixels that a network gives 0.8, four in five should hold the class.

Both figures leave out the pixels of level 0 (a probability below 1/510). They are nearly all pixels of nearly all
images, and rightly so: with them every network looks well calibrated, whatever it says where it says something.

Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015; Guo,
Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
"""

import numpy as np
import numpy.typing as npt

from stages.scoring.precision_recall import LEVELS, Histogram

BINS = 20  # of equal width: 12 or 13 levels each


def curve(counts: Histogram) -> list[tuple[int, float, float, int]]:
    """The reliability diagram.

    Args:
        counts: a sum of `thresholds.histogram`, int64 (classes, 2, 256).

    Returns:
        Rows of ClassId, predicted probability (the mean of the bin's pixels), observed share of pixels that hold the
        class, and pixels. Bins without a pixel have no row.
    """
    rows = []
    for class_id, of_class in enumerate(counts, start=1):
        pixels, levels, there = _bins(of_class)
        for number in np.flatnonzero(pixels):
            count = int(pixels[number])
            predicted = int(levels[number]) / count / (LEVELS - 1)
            rows.append((class_id, predicted, int(there[number]) / count, count))
    return rows


def expected_calibration_error(counts: Histogram) -> list[float | None]:
    """Mean distance between predicted probability and observed share, each bin weighted by its pixels.

        sum over bins of  pixels / all pixels · |observed - predicted|

    Args:
        counts: as for `curve`.

    Returns:
        One figure a class, in 0 … 1; None for a class of which no pixel has a level above 0.
    """
    errors: list[float | None] = []
    for of_class in counts:
        pixels, levels, there = _bins(of_class)
        gaps = np.abs(there - levels / (LEVELS - 1))  # both times the bin's pixels
        errors.append(float(gaps.sum() / pixels.sum()) if pixels.any() else None)
    return errors


def _bins(of_class: Histogram) -> tuple[Histogram, Histogram, Histogram]:
    """Pixels, sum of their levels, and those that hold the class, by bin: each int64 (BINS,)."""
    level = np.arange(1, LEVELS)  # without level 0
    bins: npt.NDArray[np.int64] = level * BINS // LEVELS
    pixels = of_class[:, 1:].sum(axis=0)
    return _sums(bins, pixels), _sums(bins, pixels * level), _sums(bins, of_class[1, 1:])


def _sums(bins: npt.NDArray[np.int64], values: Histogram) -> Histogram:
    total = np.zeros(BINS, np.int64)
    np.add.at(total, bins, values)
    return total
