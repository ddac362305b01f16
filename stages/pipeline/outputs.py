"""Outputs that appear complete or not at all: written under another name beside the target, then moved there."""

import csv
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

from stages.pipeline.cli import UserError

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# Called before an output replaces another; they raise UserError if it must not.
before_replacing: list[Callable[[], None]] = []


@contextmanager
def file(path: Path) -> Iterator[IO[str]]:
    """Open a text file (UTF-8, LF) that replaces `path` when the block ends without an error.

    Raises:
        UserError: the file cannot be written (no space, no permission).
    """
    with _replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that appears complete or not at all; raises as `file` does."""
    with _replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """The path of a file that replaces `path` when the block, which writes and closes it, ends without an error."""
    partial = _partial(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        check()
        os.replace(partial, path)
    except OSError as error:
        if error.filename and Path(error.filename) not in (partial, path, *path.parents):
            raise
        raise UserError(f"{path}: cannot be written ({_reason(error)})") from error
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Make an empty folder that replaces `path` and all its content when the block ends without an error.

    Raises:
        UserError: the folder cannot be written (no space, no permission), or a file needed for it cannot be read.
    """
    partial = _partial(path)
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        check()
        _swap(partial, path)
    except OSError as error:
        # Of a copy that failed, filename is what was read and filename2 what was written.
        named = str(error.filename2 or error.filename or path).replace(str(partial), str(path))
        raise UserError(f"{named}: cannot be read or written ({_reason(error)})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """Replace a folder by another. The old one is moved away first, and moved back if the new one cannot be moved."""
    old = path.with_name(f".{path.name}.old.partial")
    shutil.rmtree(old, ignore_errors=True)  # left by a run that was killed
    if path.is_symlink():
        raise OSError("it is a symbolic link")
    if not path.exists():
        os.replace(new, path)
        return
    if not path.is_dir():
        raise OSError("it is not a folder")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Write nested numbers as JSON with sorted keys. None, for an undefined figure, becomes null; NaN is refused.

    Raises:
        TypeError: a value is a list, which DVC would drop silently.
    """
    _refuse_lists(metrics)
    with file(path) as stream:
        json.dump(metrics, stream, indent=2, sort_keys=True, allow_nan=False, default=_number)
        stream.write("\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines of text."""
    with file(path) as stream:
        stream.writelines(f"{line}\n" for line in lines)


def write_table(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], *, for_competition: bool = False
) -> None:
    """Write a CSV file with LF line ends, row by row. None becomes an empty cell.

    Texts are written as `escaped` has them, and `unescaped` where such a table is read; those of a table in a
    competition's form stay as they are.
    """
    cells: Callable[[Sequence[Any]], Iterable[Any]] = iter if for_competition else _escaped_cells
    with file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for row in chain([header], rows):
            writer.writerow(cells(row))


def escaped(text: str) -> str:
    """A text that no spreadsheet program takes for a formula: with an apostrophe before it if one would.

    Names of images and classes come from other people, and =HYPERLINK(…) is a possible name. Numbers stay numbers.

    >>> escaped("=1+1.png"), escaped("a=1.png"), escaped("-0.5"), escaped("-")
    ("'=1+1.png", 'a=1.png', '-0.5', "'-")
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unescaped(text: str) -> str:
    """The inverse of `escaped`.

    >>> unescaped("'=1+1.png"), unescaped("'a'")
    ('=1+1.png', "'a'")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _escaped_cells(row: Sequence[Any]) -> Iterable[Any]:
    return (escaped(cell) if isinstance(cell, str) else cell for cell in row)


def check() -> None:
    """Call what is in `before_replacing`."""
    for each in before_replacing:
        each()


def _reason(error: OSError) -> str:
    """The operating system's message, because a library's may have several lines."""
    return os.strerror(error.errno) if error.errno else str(error)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _refuse_lists(metrics: dict[str, Any]) -> None:
    for key, value in metrics.items():
        if isinstance(value, dict):
            _refuse_lists(value)
        elif isinstance(value, list | tuple):
            raise TypeError(f"a metric must be a number, found {key}: {value}")


def _number(value: Any) -> Any:
    item: Callable[[], Any] | None = getattr(value, "item", None)  # NumPy scalars
    if item is None:
        raise TypeError(f"a metric must be a number, found {type(value).__name__}")
    return item()
