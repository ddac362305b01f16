"""Calibration: of the pixels with a predicted probability of 0.8, four in five should belong to the class.

Both figures leave out pixels of level 0 (a probability below 1/510). Most pixels of most images are of level 0, and
rightly so; with them every network would look well calibrated, however wrong its other probabilities are.

scikit-learn's `calibration_curve` needs every pixel at once; here the histogram of 256 levels is enough.

Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015; Guo,
Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
"""

import numpy as np

from stages.pipeline.arrays import Int64
from stages.scoring.precision_recall import LEVELS

BINS = 20  # of equal width: 12 or 13 levels each


def curve(counts: Int64) -> list[tuple[int, float, float, int]]:
    """The reliability diagram.

    Args:
        counts: a sum of `precision_recall.histogram`, int64 (classes, 2, 256).

    Returns:
        Rows of ClassId, predicted probability (mean over the bin's pixels), observed share of pixels that belong to the
        class, and number of pixels. Bins without a pixel have no row.
    """
    rows = []
    for class_id, of_class in enumerate(counts, start=1):
        pixels, levels, positive = _bins(of_class)
        for index in np.flatnonzero(pixels):
            count = int(pixels[index])
            predicted = int(levels[index]) / count / (LEVELS - 1)
            rows.append((class_id, predicted, int(positive[index]) / count, count))
    return rows


def expected_calibration_error(counts: Int64) -> list[float | None]:
    """Mean difference between predicted probability and observed share, each bin weighted by its pixels.

        sum over bins of  pixels / all pixels · |observed - predicted|

    Args:
        counts: as for `curve`.

    Returns:
        One figure per class, in 0 … 1; None for a class for which no pixel has a level above 0.
    """
    errors: list[float | None] = []
    for of_class in counts:
        pixels, levels, positive = _bins(of_class)
        gaps = np.abs(positive - levels / (LEVELS - 1))  # multiplied by the bin's pixels
        errors.append(float(gaps.sum() / pixels.sum()) if pixels.any() else None)
    return errors


def _bins(of_class: Int64) -> tuple[Int64, Int64, Int64]:
    """Pixels, sum of their levels, and pixels that belong to the class, by bin: each int64 (BINS,)."""
    level = np.arange(1, LEVELS)  # without level 0
    bins: Int64 = level * BINS // LEVELS
    pixels = of_class[:, 1:].sum(axis=0)
    return _sums(bins, pixels), _sums(bins, pixels * level), _sums(bins, of_class[1, 1:])


def _sums(bins: Int64, values: Int64) -> Int64:
    total = np.zeros(BINS, np.int64)
    np.add.at(total, bins, values)
    return total
