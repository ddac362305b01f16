"""Whether the files of a prepared data set are those that preprocess wrote: half an index would give figures of half
the images.

summary.json holds the SHA-256 of the small files. The large ones, images, labels and masks, are checked by their size,
which takes no time; DVC hashes them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.dataset.layout import Layout
from stages.pipeline.cli import UserError

KEY = "sha256"  # in summary.json


def of_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of these files, by name."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def read_summary(path: Path) -> tuple[dict[str, Any], Layout, int]:
    """Read summary.json, its layout and number of folds, and see that the files that it names are whole.

    Raises:
        UserError: it is damaged, or one of them is.
    """
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        expected = summary[KEY]
        layout, folds = Layout.from_json(summary["layout"]), int(summary["folds"])
        changed = [name for name in expected if of_files(path.parent, [name])[name] != expected[name]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged(path) from None
    if changed:
        raise damaged(path.parent / changed[0])
    return dict(summary), layout, folds


def check_summary(path: Path, rows: Sequence[Mapping[str, str]], classes: Iterable[str], folds: int) -> None:
    """See that summary.json at `path` says what the rows of the index say, which have a checksum.

    Raises:
        UserError: it has other classes or folds.
    """
    named = {f"pixels_{name}" for name in classes}
    if not rows or not named <= rows[0].keys() or folds != 1 + max(int(row["fold"]) for row in rows):
        raise damaged(path)


def read_array(path: Path, *, in_place: bool = False) -> Any:
    """Read an `.npy` file as an array; `in_place`: as a memory map.

    Raises:
        UserError: it is damaged. NumPy raises many types, as its header is read as Python.
    """
    try:
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
    return UserError(
        f"{path}: expected the file that preprocess wrote, found a damaged one: run dvc repro --force preprocess"
    )
