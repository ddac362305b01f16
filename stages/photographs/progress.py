"""Progress and messages of a long call: a bar on a terminal, elsewhere a line now and then."""

import sys
import time

from tqdm import tqdm

EVERY = 10.0  # seconds between two lines


class PhotographProgress:
    """How many photographs are done.

    Args:
        total: how many there are.
    """

    def __init__(self, total: int) -> None:
        self._bar = tqdm(total=total, desc="segment", unit=" photographs", disable=None)
        self._total, self._done, self._told = total, 0, time.monotonic()

    def advance(self) -> None:
        """One more is done, or refused."""
        self._done += 1
        self._bar.update()
        if self._bar.disable and time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            print(f"segment: {self._done} of {self._total} photographs", flush=True)

    def close(self) -> None:
        """Remove the bar's line ending."""
        self._bar.close()


def report(message: str) -> None:
    """Print a message on stderr, above the bar if there is one."""
    tqdm.write(message, file=sys.stderr)
    sys.stderr.flush()
