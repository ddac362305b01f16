"""The folder that someone names for masks: empty, nobody else's, and out of the way of DVC."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stages.pipeline import lock, paths
from stages.pipeline.cli import UserError

LOCK = ".segment.lock"


@contextmanager
def claimed(folder: Path, sources: Iterable[Path]) -> Iterator[None]:
    """Hold an empty folder for the masks. It is made if it is missing, and removed again if it stays empty.

    Args:
        folder: new or empty.
        sources: the photographs and their folders.

    Raises:
        UserError: it holds something, DVC empties it, it belongs to the project, it is one of the sources, or another
            process writes to it.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: expected a new or an empty folder for the masks, found a file")
    found = sorted({path.name for path in folder.iterdir()} - {LOCK}) if folder.exists() else []
    if found:
        raise UserError(
            f"{folder}: expected a new or an empty folder for the masks, found {found[0]} in it"
            f"{f' and {len(found) - 1} more' if len(found) > 1 else ''}: name another one"
        )
    emptied = emptied_by_dvc(folder)
    if emptied:
        raise UserError(f"{folder}: expected a folder outside of {emptied}, which DVC or a stage empties")
    own = _around(folder, paths.PROJECT)
    if own:
        raise UserError(f"{folder}: expected a folder outside of {own}, which belongs to the project: name another one")
    if os.path.realpath(folder) in map(os.path.realpath, sources):
        raise UserError(f"{folder}: expected another folder than that of the photographs, found the same")
    made = not folder.exists()
    try:
        with lock.held(folder / LOCK, "segment", "or name another --out"):
            try:
                yield
            finally:
                (folder / LOCK).unlink(missing_ok=True)  # while it is held: nobody else's
    finally:
        if made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def emptied_by_dvc(path: Path) -> Path | None:
    """The output of a stage in which a path lies, which DVC removes before that stage starts; None if in none."""
    return _around(path, paths.REMOVED)


def _around(path: Path, folders: Iterable[Path]) -> Path | None:
    """The folder in which a path lies; None if in none of them."""
    place = Path(os.path.realpath(path))  # unlike resolve, without an error for links in a circle
    return next((each for each in folders if each.resolve() in (place, *place.parents)), None)
