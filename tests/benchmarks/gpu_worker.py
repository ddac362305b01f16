"""Measure parts one after the other in another process, each within a budget; what fails is told and the rest done.

A fault of CUDA may end a process, and a compilation may take for ever. So the parts run in a worker, which tells each
result as soon as it has it; if it ends or takes too long, another one goes on with the next part.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError
from tests.benchmarks.gpu_steps import Figures, Place

START = 90  # seconds that a worker may take to start, TensorFlow's start included
LONGEST_REASON = 300  # characters


@dataclass(frozen=True)
class Part:
    """One measurement.

    Attributes:
        name: dotted, where its figures stand.
        work: gives the figures; it can be pickled.
        figure: the most important one, null where there is none.
        seconds: that it may take.
        group: parts of different groups run in different workers.
        arguments: of `work`, after the place.
    """

    name: str
    work: Callable[..., Figures]
    figure: str
    seconds: float = 60
    group: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    def without(self, reason: str) -> Figures:
        """What stands in place of the figures."""
        return {self.figure: None, "reason": reason}


def measure(parts: list[Part], place: Place, until: float) -> Iterator[tuple[Part, Figures]]:
    """Measure parts in their order.

    Args:
        parts: what to measure.
        place: where.
        until: `time.monotonic()` at which the last one has to end.

    Yields:
        Each part with its figures, or with the reason why it has none.

    Raises:
        UserError: raised by a part, which is then the last.
    """
    waiting = list(parts)
    while waiting:
        together = [part for part in waiting if part.group == waiting[0].group]
        done = 0
        for part, figures in _of_one_worker(together, place, until):
            yield part, figures
            done += 1
        waiting = [part for part in waiting if part not in together[:done]]


def _of_one_worker(parts: list[Part], place: Place, until: float) -> Iterator[tuple[Part, Figures]]:
    """The results of one worker, up to the first part in which it ended or took too long."""
    if time.monotonic() >= until:
        yield parts[0], parts[0].without("there was no time left for it")
        return
    log = place.folder / "worker.log"
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_work, args=(sending, parts, place, log))
    process.start()
    sending.close()
    try:
        allowed: float = START
        for part in parts:
            limit = min(time.monotonic() + allowed + part.seconds, until)
            kind, content = _answer(receiving, limit)
            if kind == "late":
                longest = f"{allowed + part.seconds:.0f} s"
                yield part, part.without(f"it took more than {longest}, or the time of all parts ended")
                return
            if kind == "ended":
                process.join()
                yield part, part.without(f"its process ended with exit status {process.exitcode}: {_last_line(log)}")
                return
            if kind == "mistake":
                raise UserError(content)
            yield part, content if kind == "figures" else part.without(content)
            allowed = 0
        process.join(timeout=10)
    finally:
        process.kill()
        process.join()
        receiving.close()


def _answer(receiving: Connection, limit: float) -> tuple[str, Any]:
    if not receiving.poll(max(0.0, limit - time.monotonic())):
        return "late", None
    try:
        answer: tuple[str, Any] = receiving.recv()
    except (EOFError, OSError):
        return "ended", None
    return answer


def _work(sending: Connection, parts: list[Part], place: Place, log: Path) -> None:
    """The worker: sends one answer for each part."""
    with log.open("wb") as written:
        os.dup2(written.fileno(), 1)
        os.dup2(written.fileno(), 2)
    os.chdir(place.folder)
    for part in parts:
        try:
            sending.send(("figures", part.work(place, **part.arguments)))
        except UserError as error:
            sending.send(("mistake", str(error)))
        except Exception as error:  # noqa: BLE001  (TensorFlow raises many types)
            sending.send(("reason", reason(error)))


def reason(error: Exception) -> str:
    """The line of an error that says most: TensorFlow's begin with where an operation was defined."""
    lines = [line.strip() for line in str(error).splitlines()]
    empty = ("", "Graph execution error:", "<stack traces unavailable>")
    saying = [line for line in lines if line not in empty and not line.startswith(("Detected at node", "File ", "[["))]
    return f"{type(error).__name__}: {(saying or [''])[0][:LONGEST_REASON]}".removesuffix(": ")


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:LONGEST_REASON] if lines else "it printed nothing"
