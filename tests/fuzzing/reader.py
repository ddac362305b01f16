"""What is fuzzed: a reader of the project, valid inputs for it, and what a run of it can end in."""

import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hypothesis.strategies import SearchStrategy

from stages.pipeline.cli import UserError

SECONDS = 10.0  # of the processor, for one input
MEMORY = 1 << 30  # bytes by which one input may raise the peak of the process

ACCEPTED, REFUSED, TRACEBACK, HANG, TOO_MUCH_MEMORY, WRONG = (
    "accepted", "refused", "traceback", "hang", "memory", "wrong accept",
)  # fmt: skip
OUTCOMES = (ACCEPTED, REFUSED, TRACEBACK, HANG, TOO_MUCH_MEMORY, WRONG)
FAULTS = OUTCOMES[2:]

Files = dict[str, bytes]  # content by the path in the input's folder
Read = Callable[[Path], str | None]


@dataclass(frozen=True)
class Reader:
    """A reader of the project.

    Attributes:
        name: unique, such as "training table".
        kind: the line of the table in which its inputs are counted.
        inputs: valid files, changed.
        read: reads the files of a folder, which is also the current folder. Returns None, or what is wrong with an
            input that was accepted.
        refusals: the errors by which it refuses, besides the project's own.
    """

    name: str
    kind: str
    inputs: SearchStrategy[Files]
    read: Read
    refusals: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Ended:
    """In what a run has ended: one of `OUTCOMES`, and the message, the traceback or the difference."""

    outcome: str
    detail: str = ""


class HangError(BaseException):
    """The time is over; no `except Exception` stops it."""


def run(reader: Reader, folder: Path) -> Ended:
    """Read one input, within `SECONDS`.

    An error of the operating system is a refusal, as `stages.pipeline.cli.guard` makes a message of it.
    """
    before = _peak()
    refusals: tuple[type[Exception], ...] = (UserError, *reader.refusals)
    try:
        with _limited_time(), _usual_recursion(), warnings.catch_warnings(action="ignore"):
            wrong = reader.read(folder)
        ended = Ended(WRONG, wrong) if wrong else Ended(ACCEPTED)
    except HangError:
        return Ended(HANG, f"more than {SECONDS:g} s\n{traceback.format_exc()}")
    except MemoryError:
        return Ended(TOO_MUCH_MEMORY, traceback.format_exc())
    except refusals as error:
        ended = Ended(REFUSED, str(error)) if str(error) else Ended(WRONG, "a message without a word")
    except OSError as error:
        ended = Ended(TRACEBACK, traceback.format_exc()) if error.errno is None else Ended(REFUSED, str(error))
    except (Exception, SystemExit):  # noqa: BLE001  (it is what is looked for)
        ended = Ended(TRACEBACK, traceback.format_exc())
    grown = _peak() - max(before, _start)
    return Ended(TOO_MUCH_MEMORY, f"{grown:,} bytes more than before") if grown > MEMORY else ended


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


_start = _peak()


@contextmanager
def _limited_time() -> Iterator[None]:
    def over(number: int, frame: FrameType | None) -> None:
        raise HangError

    earlier = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)


@contextmanager
def _usual_recursion() -> Iterator[None]:
    """As deep as in a process of its own; Hypothesis allows more."""
    earlier, depth, frame = sys.getrecursionlimit(), 0, sys._getframe()
    while frame := frame.f_back:
        depth += 1
    sys.setrecursionlimit(1000 + depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(earlier)
