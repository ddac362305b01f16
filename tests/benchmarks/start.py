"""How long commands take to start."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

from tests.benchmarks.rows import Pair, Place, Row
from tests.benchmarks.timing import alternate

COMMANDS = ("stages.download", "stages.explore", "stages.preprocess", "stages submit")


def started(command: str) -> Callable[[Place], Iterator[Pair]]:
    """Whole processes: a command's help, and two imports."""

    def measure(place: Place) -> Iterator[Pair]:
        python = partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
        works = [
            partial(python, [sys.executable, "-m", *command.split(), "--help"]),
            partial(python, [sys.executable, "-c", "import pandas, cv2"]),
        ]
        for work in works:  # bytecode is compiled, and files are in the page cache
            work()
        return alternate([(works[0], works[1])] * (1 if place.quick else 7))

    return measure


ROWS = [
    Row(
        f"start-{command[7:]}",
        f"start of `python -m {command} --help`",
        "Python that imports pandas and OpenCV",
        1.5,
        started(command),
        at_most=True,
    )
    for command in COMMANDS
]
