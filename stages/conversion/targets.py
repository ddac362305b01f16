"""What convert may replace, and what it may not."""

import os
from pathlib import Path
from typing import Any

from stages.conversion.competition import LAYOUT
from stages.pipeline.cli import UserError


def beside(output: Path, what: str) -> Path:
    """A file next to the output."""
    if output.name in ("", ".."):
        raise UserError(f"expected a name for the output, found {output}")
    stem = output.stem if output.suffix.lower() == ".zip" else output.name
    return output.with_name(f"{stem}.{what}")


def remove(masks: Path) -> None:
    """Remove the true masks of an earlier output, if there are any."""
    if not masks.is_file():
        return
    try:
        masks.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{masks}: cannot be removed ({reason}), but belongs to other test images") from None


def refuse_overwriting(given: Any, others: list[Path]) -> None:
    """Raise a `UserError` if something exists that would be replaced; with --force, if it is not such a competition.

    Args:
        given: the options of the command.
        others: files that are written beside the output.
    """
    output: Path = given.output
    for path in (output, *others):
        if os.path.lexists(path) and not given.force:
            raise UserError(f"{path}: expected nothing there, found something: --force overwrites it")
        if path.is_symlink():
            raise UserError(f"{path}: expected a file, a folder or nothing there, found a link to {os.readlink(path)}")
    real = _real(output)
    for source in (given.images, given.labels, given.yolo, given.labelme, given.test_images, given.test_labels):
        if source and real in (_real(source), *_real(source).parents):
            raise UserError(f"{output}: expected an output outside of the input, found {source} in it")
    if given.keep and _real(given.keep) == real:
        raise UserError(f"{output}: expected another output than --keep, which is read, found the same")
    for path in others:
        if path.is_dir():
            raise UserError(f"{path}: expected a file or nothing there, found a folder")
    if output.is_dir() and output.suffix.lower() == ".zip":
        raise UserError(f"{output}: expected a zip or nothing there, found a folder")
    if output.exists() and output.suffix.lower() != ".zip":
        if not output.is_dir():
            raise UserError(f"{output}: expected a folder or a name that ends in .zip, found a file")
        foreign = {path.name for path in output.iterdir()} - {*LAYOUT}
        if foreign:  # a folder is replaced with everything in it
            raise UserError(f"{output}: expected {', '.join(LAYOUT)} alone, found {min(foreign)} too")


def _real(path: Path) -> Path:
    """A path without links."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # RuntimeError until Python 3.12
        raise UserError(f"{path}: expected a file or a folder, found a link that leads back to itself") from None
