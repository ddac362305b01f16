"""A process of its own for the inputs of a kind: a crash or an endless loop in a library ends this one alone."""

import multiprocessing
import resource
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fuzzing import campaign
from tests.fuzzing.campaign import Counts
from tests.fuzzing.reader import FAULTS, HANG, TRACEBACK, Ended, Files, Reader
from tests.fuzzing.readers import of_kinds

WAIT = 60.0  # seconds on the clock, for what a signal cannot end, such as a loop in C, and for what waits
ADDRESSES = 6 << 30  # bytes that a worker may map in all


def for_some_time(kind: str, seed: int, seconds: float, counts: Counts, place: Path) -> None:
    """Run a kind's readers in another process, and start the next one where a process ends or hangs.

    Args:
        kind: of the readers.
        seed: from which all inputs follow.
        seconds: how long.
        counts: are added to.
        place: where failing inputs are kept.
    """
    end, readers = time.monotonic() + seconds, {reader.name: reader for reader in of_kinds([kind])}
    start = seed
    while time.monotonic() < end:
        ours, theirs = multiprocessing.Pipe()
        worker = multiprocessing.get_context("spawn").Process(target=work, args=(kind, start, end, theirs))
        worker.start()
        theirs.close()
        name, files, limit = "", Files(), 120.0  # the first import takes a while
        try:
            while ours.poll(limit):
                name, start, files, ended = ours.recv()
                limit = WAIT
                if ended is not None:
                    note(readers[name], start, ended, files, counts, place)
                    name = ""
            lost = Ended(HANG, f"more than {WAIT:g} s")
        except EOFError:
            worker.join()
            lost = Ended(TRACEBACK, f"the process ended with {worker.exitcode}")
        if not counts.outcomes.get(kind):
            raise RuntimeError(f"{kind}: expected inputs, found none: {lost.detail}")
        if name:
            note(readers[name], start, lost, files, counts, place)
        worker.kill()
        worker.join()
        start += 1_000_000  # other inputs than those before


def note(reader: Reader, seed: int, ended: Ended, files: Files, counts: Counts, place: Path) -> None:
    """Count an input, and keep it if it has failed."""
    counts.add(reader, ended)
    if ended.outcome in FAULTS and (kept := campaign.keep(place, reader, seed, ended, files)):
        counts.kept.append(kept)
        print(
            f"{reader.name}: {ended.outcome}: {ended.detail.strip().splitlines()[-1][:200]}",
            file=sys.stderr,
            flush=True,
        )


def work(kind: str, seed: int, end: float, results: Connection) -> None:
    """Read one input after the other, and send each before and after it is read; ends at a time, or after a fault."""
    campaign.quiet_decoders()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    readers = of_kinds([kind])
    end = max(end, time.monotonic() + 1)  # the imports may have taken all of the time

    def each(files: Files) -> None:
        if time.monotonic() >= end:
            return
        results.send((reader.name, seed, files, None))
        results.send((reader.name, seed, files, campaign.read_once(reader, files)[0]))

    while time.monotonic() < end:
        for reader in readers:
            campaign.batch(reader, seed, campaign.BATCH, each)
        seed += 1
