"""Photographs that arrive in folders: each is handed out when it has arrived whole.

A camera or a network may take its time to write a file. What grows or was just written is left alone. What stands still
and cannot be read is tried again, at the latest after `PATIENCE` seconds, and then reported once. What can be read and
is refused, for its size for example, is reported at once.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.photographs import found

POLL = 1.0  # seconds between two looks
SETTLED = 2.0  # a file whose size and time have stood still so many seconds is read; some shares count in whole seconds
PATIENCE = 30.0  # a file that cannot be read has to stand still so many seconds before it is reported
TRIES = 2

State = tuple[int, int]  # size and time of the last change


@dataclass
class _Seen:
    """A file as it was first seen in its present state, with the number of times that it was read in vain."""

    state: State
    since: float
    attempts: int = 0


class Arrivals:
    """The files in folders that have not been segmented.

    Args:
        folders: looked at anew by each `ready`.
        now: seconds on a clock that never goes back.

    Attributes:
        unreachable: the folders that could not be looked at last time, as while a network is away.
    """

    def __init__(self, folders: Iterable[Path], now: Callable[[], float] = time.monotonic) -> None:
        self._folders, self._now = list({os.path.realpath(folder): folder for folder in folders}.values()), now
        self.unreachable: set[Path] = set()
        self._seen: dict[Path, _Seen] = {}
        self._done: set[Path] = set()

    def ready(self) -> list[Path]:
        """Files to read now: they stand still, and are neither done nor given up as they are."""
        paths = [path for folder in self._folders for path in self._listed(folder) if path not in self._done]
        self._seen = {path: seen for path in paths if (seen := self._look(path)) is not None}
        waits = (SETTLED, PATIENCE)  # for the first of the `TRIES`, and for the last
        return [
            path
            for path, seen in self._seen.items()
            if seen.attempts < len(waits) and self._now() - seen.since >= waits[seen.attempts]
        ]

    def waiting(self) -> tuple[list[Path], list[Path]]:
        """Files that were seen and are neither done nor reported: those that were read in vain, and the others."""
        left = {path: seen for path, seen in self._seen.items() if path not in self._done and seen.attempts < TRIES}
        return [path for path in left if left[path].attempts], [path for path in left if not left[path].attempts]

    def done(self, path: Path) -> None:
        """Hand a file out no more, whatever becomes of it."""
        self._done.add(path)

    def refused(self, path: Path, *, whole: bool) -> bool:
        """Note that a file was refused; returns whether to report it. It is handed out again if it changes.

        Args:
            path: of the file.
            whole: whether it was read to its end, so that trying again would not help.
        """
        seen = self._seen[path]
        seen.attempts += 1
        if whole or self._now() - seen.since >= PATIENCE:
            seen.attempts = TRIES
        return seen.attempts == TRIES

    def _listed(self, folder: Path) -> list[Path]:
        """The images in a folder; none, for now, if it cannot be looked at."""
        try:
            self.unreachable.discard(folder) if folder.is_dir() else self.unreachable.add(folder)
            return found.listed(folder)
        except OSError:
            self.unreachable.add(folder)
            return []

    def _look(self, path: Path) -> _Seen | None:
        """What is known of a file, anew if it has changed; None if it is gone."""
        try:
            status = path.stat()
        except OSError:
            return None
        state, known = (status.st_size, status.st_mtime_ns), self._seen.get(path)
        return known if known is not None and known.state == state else _Seen(state, self._now())
