"""Whether the files of a prepared data set are those that preprocess wrote: half an index would give figures of half
the images.

summary.json holds the SHA-256 of the small files. The large ones, images, labels and masks, are checked by their size,
which takes no time; DVC hashes them.
"""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from stages.dataset.images import LARGEST_SIDE
from stages.dataset.layout import Layout
from stages.pipeline import hashes, paths
from stages.pipeline.cli import UserError

KEY = "sha256"  # in summary.json
_OF_IMAGE = ("image", "fold", "group", "height", "width")  # columns of the index, before those of the classes


def of_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of these files, by name."""
    return {name: hashes.sha256(folder / name) for name in names}


def read_summary(path: Path) -> tuple[dict[str, Any], Layout, int]:
    """Read summary.json, its layout and number of folds, and see that the files that it names are whole.

    Raises:
        UserError: it is damaged, or one of them is.
    """
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        expected = summary[KEY]
        layout, folds = Layout.from_json(summary["layout"]), summary["folds"]
        if type(folds) is not int or not _fits(layout, Layout) or not _has_sides(layout):
            raise ValueError("another layout")
        changed = [name for name in expected if of_files(path.parent, [name])[name] != expected[name]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged(path) from None
    if changed:
        raise damaged(path.parent / changed[0])
    return dict(summary), layout, folds


def check_summary(path: Path, rows: Sequence[Mapping[str, str]], classes: Iterable[str], folds: int) -> None:
    """See that summary.json at `path` says what the rows of the index say, which have a checksum.

    Raises:
        UserError: it has other classes or folds, or a row holds something else than a name and numbers.
    """
    columns = [*_OF_IMAGE, *(f"pixels_{name}" for name in classes)]
    whole = len(set(columns)) == len(columns) and all(
        row.keys() == set(columns) and row["image"] and all(_is_number(row[name]) for name in columns[1:])
        for row in rows
    )
    if not whole or not rows or folds != 1 + max(int(row["fold"]) for row in rows):
        raise damaged(path)
    if not all(0 < int(row[side]) <= LARGEST_SIDE for row in rows for side in ("height", "width")):
        raise damaged(path)


def _is_number(text: str | None) -> bool:
    """Whether a cell is a whole number as preprocess writes it; a row that is too short has None."""
    return text is not None and text.isascii() and text.isdecimal() and len(text) < 19  # 19 digits exceed 64 bits


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value that was read from JSON has the type that a dataclass states for it."""
    origin, parts = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return all(_fits(getattr(value, name), hint) for name, hint in get_type_hints(kind).items())
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin is UnionType:
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        kinds = parts[:1] * len(value) if parts[-1] is ... and isinstance(value, tuple) else parts
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    return type(value) is kind or (kind is float and type(value) is int)


def _has_sides(layout: Layout) -> bool:
    """Whether all sizes are those of images."""
    sides = (layout.height, layout.width, layout.submission.height, layout.submission.width)
    return all(side is None or 0 < side <= LARGEST_SIDE for side in sides)


def read_array(path: Path, *, in_place: bool = False) -> Any:
    """Read an `.npy` file as an array; `in_place`: as a memory map.

    Raises:
        UserError: it is damaged. NumPy raises many types, as its header is read as Python.
    """
    try:
        with warnings.catch_warnings(action="error"):  # of a header that NumPy has to guess
            array = np.load(path, mmap_mode="r" if in_place else None)
    except (OSError, MemoryError):
        raise
    except Exception:  # noqa: BLE001  (see above)
        raise damaged(path) from None
    if not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
        raise damaged(path)
    return array


def damaged(path: Path) -> UserError:
    """The message for a file that is not as it was written."""
    writer = "pseudo_label" if paths.PSEUDO in path.parents else "preprocess"
    return UserError(
        f"{path}: expected the file that {writer} wrote, found a damaged one: run dvc repro --force {writer}"
    )
