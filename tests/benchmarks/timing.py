"""Two tasks measured in turns, and a summary of many such pairs.

Other load on the machine slows both tasks of a pair, so the ratios of pairs are more precise than a ratio of means.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any

from tests.benchmarks.rows import Pair, Row

Work = Callable[[], object]


def alternate(pairs: Iterable[tuple[Work, Work]]) -> Iterator[Pair]:
    """Seconds of each pair: ours, then the other's, then the next pair."""
    for pair in pairs:
        ours, other = map(seconds, pair)
        yield ours, other


def seconds(work: Work) -> float:
    """How long a task takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def summary(row: Row, pairs: list[Pair]) -> dict[str, Any]:
    """Medians of both, the median of the ratios, and their first and third quartiles."""
    ratios = sorted(ours / other if row.at_most else other / ours for ours, other in pairs)
    ratio = median(ratios)
    met = None
    if row.to_reach is not None:
        met = ratio <= row.to_reach if row.at_most else ratio >= row.to_reach
    return {
        "work": row.work,
        "beside": row.beside,
        "unit": row.unit,
        "ours": median(ours for ours, _ in pairs),
        "other": median(other for _, other in pairs),
        "pairs": len(pairs),
        "ratio": ratio,
        "ratio_low": ratios[len(ratios) // 4],
        "ratio_high": ratios[-1 - len(ratios) // 4],
        "to_reach": row.to_reach,
        "at_most": row.at_most,
        "met": met,
    }
