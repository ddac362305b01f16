"""Runs readers on many changed inputs, and keeps what ends in a fault."""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase

from tests.fuzzing.reader import FAULTS, REFUSED, Ended, Files, Reader, run

BATCH = 50  # inputs of one reader that follow one another, and share a seed
KEPT = 3  # failing inputs that are kept, of each reader and each fault
ABOUT = "about.json"  # beside a failing input


@dataclass
class Counts:
    """What the inputs have ended in.

    Attributes:
        outcomes: by the kind of reader, and by outcome.
        kept: folders of failing inputs.
        samples: messages of refused inputs, a few for each reader.
    """

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    kept: list[Path] = field(default_factory=list)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reader: Reader, ended: Ended) -> None:
        """Count one input."""
        self.outcomes.setdefault(reader.kind, Counter())[ended.outcome] += 1
        if ended.outcome == REFUSED:
            samples = self.samples.setdefault(reader.name, [])
            if len(samples) < KEPT:
                samples.append(ended.detail)

    def faults(self) -> int:
        """How many inputs have ended in a fault."""
        return sum(counter[fault] for counter in self.outcomes.values() for fault in FAULTS)


def batch(reader: Reader, seed: int, count: int, each: Callable[[Files], None]) -> None:
    """Call `each` with inputs that follow from the seed alone."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(reader.inputs)
    def generate(files: Files) -> None:
        each(files)

    generate()


def read_once(reader: Reader, files: Files) -> tuple[Ended, float]:
    """Write an input into a folder of its own, read it there, and say how many seconds that took."""
    with tempfile.TemporaryDirectory(prefix="fuzzing.") as name:
        folder = Path(name, "input")
        write(folder, files)
        start = time.monotonic()
        with _elsewhere(folder):
            ended = run(reader, folder)
        return ended, time.monotonic() - start


def write(folder: Path, files: Files) -> None:
    """Write the files of an input."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def keep(where: Path, reader: Reader, seed: int, ended: Ended, files: Files) -> Path | None:
    """Keep a failing input, unless there are enough like it."""
    stem = f"{reader.name.replace(' ', '-')}.{ended.outcome.replace(' ', '-')}"
    number = len(list(where.glob(f"{stem}.*")))
    if number >= KEPT:
        return None
    folder = where / f"{stem}.{number}"
    write(folder / "input", files)
    about = {"reader": reader.name, "seed": seed, "outcome": ended.outcome, "detail": ended.detail}
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return folder


def replay(folder: Path, readers: list[Reader]) -> Ended:
    """Read an input that was kept."""
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    reader = next(each for each in readers if each.name == about["reader"])
    place = folder / "input"
    files = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    return read_once(reader, files)[0]


@contextlib.contextmanager
def _elsewhere(folder: Path) -> Iterator[None]:
    """Work in a folder, without output."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        os.chdir(here)


def quiet_decoders() -> None:
    """Send what libraries in C write to stderr nowhere; Python's own messages keep their stream."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def remove(folder: Path) -> None:
    """Remove what an earlier run has kept."""
    shutil.rmtree(folder, ignore_errors=True)
