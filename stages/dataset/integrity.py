"""Whether the files of a prepared data set are those that preprocess wrote: half an index would give figures of half
the images.

summary.json holds the SHA-256 of the small files. The large ones, images, labels and masks, are checked by their size,
which takes no time; DVC hashes them.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError

KEY = "sha256"  # in summary.json


def of_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of these files, by name."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def read_summary(path: Path) -> dict[str, Any]:
    """Read summary.json, and see that the files that it names are whole.

    Raises:
        UserError: it is damaged, or one of them is.
    """
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        expected = summary[KEY]
        changed = [name for name in expected if of_files(path.parent, [name])[name] != expected[name]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise damaged(path) from None
    if changed:
        raise damaged(path.parent / changed[0])
    return dict(summary)


def damaged(path: Path) -> UserError:
    """The message for a file that is not as it was written."""
    return UserError(
        f"{path}: expected the file that preprocess wrote, found a damaged one: run dvc repro --force preprocess"
    )
