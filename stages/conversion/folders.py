"""The files in a folder and in the folders below it.

Only regular files are opened: reading a named pipe would wait for ever. Names that begin with a dot are left out.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.conversion.remarks import some, tell
from stages.dataset.archive import MOST_WAYS
from stages.pipeline.cli import UserError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
BESIDE = (".txt", ".json", ".xml", ".csv", ".md", ".yaml", ".yml", ".ini", ".db")  # not missed among images


@dataclass(frozen=True)
class Listing:
    """Files of a folder, sorted.

    Attributes:
        chosen: those with one of the suffixes.
        others: all others.
    """

    chosen: list[Path]
    others: list[Path]


def listing(folder: Path, suffixes: Collection[str], apart: Collection[Path] = ()) -> Listing:
    """Find files by their suffixes, in upper or lower case.

    Args:
        folder: where to look.
        suffixes: in lower case, with the dot.
        apart: folders that hold something else; where they lie below `folder` they are left out, which is told.

    Raises:
        UserError: there is no such folder; a link that leads back or nowhere; a folder that cannot be read; a pipe, a
            socket or a device with one of the suffixes; or a name that is not UTF-8.
    """
    if not is_folder(folder):
        raise UserError(f"{folder}: expected a folder, found none (seen from {Path.cwd()})")
    found = Listing([], [])
    for path, mode in sorted(_walk(folder, apart)):
        wanted = path.suffix.lower() in suffixes
        if wanted and not stat.S_ISREG(mode):
            raise UserError(f"{path}: expected a file, found a {_special(mode)}")
        if wanted and not path.name.isprintable():
            raise UserError(f"{path.parent}: expected file names in UTF-8, found {path.name!r}")
        (found.chosen if wanted else found.others).append(path)
    return found


def pictures(folder: Path, apart: Collection[Path] = ()) -> list[Path]:
    """The images in a folder and below it, sorted; files of other kinds are told.

    Raises:
        UserError: as `listing`, or there is none.
    """
    found = listing(folder, PICTURES, apart)
    if not found.chosen:
        raise UserError(f"{folder}: expected files that end in {', '.join(PICTURES)}, found none")
    others = [path.relative_to(folder) for path in found.others if path.suffix.lower() not in BESIDE]
    if others:
        tell(f"{folder}: files that do not end in {', '.join(PICTURES)} are left out: {some(others)}")
    return found.chosen


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder.

    Raises:
        UserError: it is a link that leads back to itself, or lies in a folder that cannot be read.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return False
        raise _unreadable(path, error) from None


def _walk(top: Path, apart: Collection[Path]) -> Iterator[tuple[Path, int]]:
    """All files with their modes, in no order."""
    left_out = {_identity(path.stat()) for path in apart if is_folder(path)} - {_identity(top.stat())}
    waiting: list[tuple[Path, tuple[tuple[int, int], ...]]] = [(top, (_identity(top.stat()),))]
    times = Counter[tuple[int, int]]()
    while waiting:
        folder, above = waiting.pop()
        times[above[-1]] += 1
        if times[above[-1]] > MOST_WAYS:
            raise UserError(f"{folder}: expected at most {MOST_WAYS} ways by links to one folder, found more")
        for name in _names(folder):
            path = folder / name
            try:
                found = path.stat()
            except OSError as error:
                raise _unreadable(path, error) from None
            if not stat.S_ISDIR(found.st_mode):
                yield path, found.st_mode
            elif _identity(found) in above:
                raise UserError(f"{path}: expected a folder of its own, found a link that leads back to itself")
            elif _identity(found) in left_out:
                tell(f"{path} is left out of {top}: it is another folder of this conversion")
            else:
                waiting.append((path, (*above, _identity(found))))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: expected a readable folder ({error.strerror})") from None


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _unreadable(path: Path, error: OSError) -> UserError:
    if error.errno == errno.ELOOP:
        return UserError(f"{path}: expected a file or a folder, found a link that leads back to itself")
    if error.errno == errno.ENOENT:
        return UserError(f"{path}: expected a file or a folder, found a link to {_target(path)}, which is not there")
    return UserError(f"{path}: expected a readable file or folder ({error.strerror})")


def _target(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:  # it was removed meanwhile
        return "nothing"


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "named pipe"
    return "socket" if stat.S_ISSOCK(mode) else "device"
