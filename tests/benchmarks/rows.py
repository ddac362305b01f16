"""What a benchmark is: a work of ours, what it is held against, and what it is to reach."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Pair = tuple[float, float]  # of ours and of the other, measured one after the other


class SkippedError(Exception):
    """A row that cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where and how large.

    Attributes:
        folder: for what benchmarks make; what is there is used again.
        quick: sizes at which figures mean nothing, to see that all works.
        data: folder of the real annotations.
    """

    folder: Path
    quick: bool
    data: Path


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: for `--only`; so is the part before the first dash, which several rows share.
        work: what is measured.
        beside: what it is held against.
        to_reach: what the median of the ratios has to be; None where a row is there to be read alone.
        measure: gives pairs of seconds, or of megabytes.
        at_most: False: the ratio is the other's time divided by ours, to reach at least. True: ours divided by the
            other's, to reach at most.
        unit: "s" or "MB".
    """

    name: str
    work: str
    beside: str
    to_reach: float | None
    measure: Callable[[Place], Iterator[Pair]]
    at_most: bool = False
    unit: str = "s"

    @property
    def group(self) -> str:
        """Rows of one group are measured in one process."""
        return self.name.partition("-")[0]
