"""What a benchmark is: a task of this project, what it is compared with, and the ratio to reach."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

Pair = tuple[float, float]  # ours and the other, measured one after the other


class SkippedError(Exception):
    """A benchmark that cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where and how large.

    Attributes:
        folder: for generated data, which is used again.
        quick: sizes so small that the figures mean nothing; they only show that everything works.
        data: folder of the real annotations.
    """

    folder: Path
    quick: bool
    data: Path


@dataclass(frozen=True)
class Row:
    """One benchmark, a row of the table.

    Attributes:
        name: for `--only`; the part before the first dash names a group of rows.
        work: what is measured.
        beside: what it is compared with.
        to_reach: bound for the median of the ratios; None if the row has no bound.
        measure: gives pairs of seconds, or of megabytes.
        at_most: if False, the ratio is the other's time divided by ours, and `to_reach` a lower bound. If True, it is
            ours divided by the other's, and `to_reach` an upper bound.
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
        """The group of the row; all its rows are measured in one process."""
        return self.name.partition("-")[0]
