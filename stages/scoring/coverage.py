"""Whether intervals hold: the share of known values that lie in the interval that was given for them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.stats import binomtest, spearmanr


def figures(pairs: Iterable[tuple[tuple[float, float, float] | None, float, bool]]) -> dict[str, dict[str, Any]]:
    """Compare expectations with what was found, for pairs with a predicted mask (marked) and without (empty).

    Args:
        pairs: of each pair of image and class: expected value, low and high end of its interval (None: nothing was
            expected), the value found, and whether it is marked.

    Returns:
        For "marked" and "empty": the number of `pairs` with an expectation, the means of `expected`, `found` and of the
        `width` of the intervals, and the `coverage` with its Wilson interval of 95% (`coverage_low`, `coverage_high`;
        pairs of one image count as independent, so it is a little too narrow), and Spearman's `rank_correlation` of
        expected and found: whether what is expected to be worse is worse. None where it is undefined.

        >>> figures([((0.5, 0.25, 0.75), 0.75, True), ((0.5, 0.25, 0.75), 0.0, True)])["marked"]["coverage"]
        0.5
    """
    rows = [(*expected, found, marked) for expected, found, marked in pairs if expected is not None]
    table = np.array(rows, np.float64).reshape(-1, 5)
    return {name: _of(table[table[:, 4] == kind]) for name, kind in (("marked", 1), ("empty", 0))}


def _of(table: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    names = ("expected", "found", "width", "coverage", "coverage_low", "coverage_high", "rank_correlation")
    if not len(table):
        return {"pairs": 0} | dict.fromkeys(names)
    expected, low, high, found, _ = table.T
    inside = int(np.count_nonzero((low <= found) & (found <= high)))
    ends = binomtest(inside, len(table)).proportion_ci(0.95, "wilson")
    means = (expected.mean(), found.mean(), (high - low).mean())
    values = (*means, inside / len(table), max(0.0, ends.low), min(1.0, ends.high))
    varies = min(np.ptp(expected), np.ptp(found)) > 0
    rank = float(spearmanr(expected, found).statistic) if varies else None
    return {"pairs": len(table)} | dict(zip(names, [*map(float, values), rank], strict=True))
