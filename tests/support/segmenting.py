"""The command segment as tests call it, photographs for it, and what it has written."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.photographs import mask_files
from stages.pipeline import cli
from tests.support.pictures import encoded


def segment(*words: str, status: int = 0) -> None:
    """The command, which ends with this exit status."""
    if not status:
        return cli.run_command("segment", words)
    with pytest.raises(SystemExit) as stopped:
        cli.run_command("segment", words)
    if isinstance(stopped.value.code, str):  # what Python prints before it ends with 1
        print(stopped.value.code, file=sys.stderr)
    assert status == (1 if isinstance(stopped.value.code, str) else stopped.value.code)
    return None


def photograph(place: str, *bright: tuple[int, int, int, int], size: tuple[int, int] = (32, 64)) -> Path:
    """A grey photograph, level 110, with rectangles (top, bottom, left, right) of level 204."""
    image = np.full(size, 110, np.uint8)
    for top, bottom, left, right in bright:
        image[top:bottom, left:right] = 204
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(path.suffix, image))
    return path


def files(folder: str) -> list[str]:
    """All files in a folder, by their paths in it."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def table(folder: str) -> list[dict[str, str]]:
    """The rows of masks.csv."""
    with Path(folder, mask_files.TABLE).open(newline="") as stream:
        return list(csv.DictReader(stream))


def damaged(path: str) -> Path:
    """A photograph whose last bytes have not arrived."""
    whole = photograph(path)
    whole.write_bytes(whole.read_bytes()[:-2])
    return whole
