"""Progress of work that takes more than two seconds: a bar on a terminal, and elsewhere a line now and then.

    infer: fold 0: 12 of 40 images, about 25 s left

Both go to stderr, so that what a command prints can be kept in a file.
"""

import io
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TypeVar

from tqdm import tqdm

FIRST, NEXT = 2.0, 10.0  # seconds until the first line, and between two of them
SHARE = 20  # of the time since the start, after which a line follows another: a day needs no line every ten seconds

SURE = 10  # the time left is told after this part of the work: the first items take longer than others

Item = TypeVar("Item")


def bar(
    items: Iterable[Item], title: str, total: int | None = None, *, unit: str = "images", leave: bool = True
) -> "tqdm[Item]":
    """Yield items, and show how many of them are done.

    Args:
        items: to work on.
        title: of the work, with the stage before it.
        total: number of items, if `items` cannot tell.
        unit: what the items are, in the plural.
        leave: whether the bar stays on the terminal when it is done.
    """
    found: tqdm[Item] = _shown(items, title, total, unit, leave)
    return found


def counter(title: str, total: int, *, unit: str = "images", leave: bool = True) -> "tqdm[Any]":
    """The same for work that says itself, with `update`, how much of it is done; `close` ends it, or the block does."""
    found: tqdm[Any] = _shown(None, title, total, unit, leave)
    return found


def _shown(items: Any, title: str, total: int | None, unit: str, leave: bool) -> Any:
    if sys.stderr is not None and sys.stderr.isatty():
        return tqdm(items, title, total, leave, unit=f" {unit}")
    return _Lines(items, title, total, leave=False, file=io.StringIO(), unit=unit, miniters=1, mininterval=0.5)


def message(text: str) -> None:
    """Print a line on stderr, above the bar if there is one."""
    tqdm.write(text, file=sys.stderr)
    sys.stderr.flush()


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(8.2), duration(83), duration(7500)
    ('8 s', '1 min 20 s', '2 h 5 min')
    """
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 3595:
        minutes, rest = divmod(10 * round(seconds / 10), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


class _Lines(tqdm):  # type: ignore[type-arg]
    """tqdm that prints whole lines, and not too many of them."""

    _due: float | None = None

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Print a line if the last one is long enough ago. tqdm calls this now and then, and with a message to clear.

        Args:
            msg: what to show instead of the numbers.
            pos: ignored; of a bar among others on a terminal.
        """
        now = time.monotonic()
        if self._due is None:
            self._due = now + FIRST
        elif msg is None and now >= self._due:
            elapsed = self.format_dict["elapsed"]
            self._due = now + max(NEXT, elapsed / SHARE)
            with suppress(OSError):  # nobody reads it: no reason to stop
                print(self._line(elapsed), file=sys.stderr, flush=True)

    def _line(self, elapsed: float) -> str:
        more = f", {self.postfix}" if self.postfix else ""
        if not self.total:
            return f"{self.desc}: {self.n:,} {self.unit}{more}"
        sure = self.total <= SURE * self.n < SURE * self.total
        left = f", about {duration(elapsed * (self.total - self.n) / self.n)} left" if sure else ""
        return f"{self.desc}: {self.n:,} of {self.total:,} {self.unit}{more}{left}"
