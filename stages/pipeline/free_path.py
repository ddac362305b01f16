"""Where a command may write a file that the user names."""

from pathlib import Path

from stages.pipeline.cli import UserError


def check(option: str, path: Path, *, overwrite: bool) -> None:
    """See that a file can be written there, before the work for it begins.

    Args:
        option: by which the user names it, for messages.
        path: of the file.
        overwrite: whether it may replace another.

    Raises:
        UserError: there is a file that must not be overwritten, or no folder to write into.
    """
    if path.is_dir() or not path.parent.is_dir():
        found = "a folder of that name" if path.is_dir() else f"no folder {path.parent}"
        raise UserError(f"{option} {path}: expected a file name in a folder that exists, found {found}")
    if path.exists() and not overwrite:
        raise UserError(f"{option} {path}: expected no such file, found one: name another, or add --overwrite")
