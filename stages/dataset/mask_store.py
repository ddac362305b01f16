"""Masks of a table, by image, on disk while a stage runs: a table may be larger than memory and its rows scattered."""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple, Self

from stages.dataset.tables import Row


class StoredMask(NamedTuple):
    """One mask of an image.

    Attributes:
        class_id: number of the class from 1.
        line: its line in the table.
        content: the bytes that were stored for it.
    """

    class_id: int
    line: int
    content: bytes


class MaskStore:
    """Keeps bytes for each mask in a temporary file, and in memory only where they lie. A context manager.

    Args:
        folder: where the temporary file is made; it disappears with the store.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by __exit__)
        self._unwritten = False
        self._places: dict[str, list[tuple[int, int, int, int]]] = {}  # ClassId, line, offset, bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: Row, content: bytes) -> None:
        """Store the bytes of one mask."""
        places = self._places.setdefault(row.image, [])
        places.append((row.class_id, row.line, self._file.tell(), len(content)))
        self._file.write(content)
        self._unwritten = True

    def of(self, image: str) -> list[StoredMask]:
        """All masks of an image, by ClassId and line. Safe to call from several threads once everything is added."""
        if self._unwritten:
            self._file.flush()
            self._unwritten = False
        return [
            StoredMask(class_id, line, os.pread(self._file.fileno(), size, offset))
            for class_id, line, offset, size in sorted(self._places.get(image, []))
        ]
