"""The true masks of a prepared data set, as runs at the size at which the competition scores.

    masks.npy        int32 (run, 2): start from 0, column by column, and length
    masks_index.npy  int64 (mask, 4): position of the image, ClassId, first run, number of runs; in order of position

Figures are computed from these, not from the label maps that training reads: those may be smaller, and hold only one
class per pixel. Reads use `pread`, as in `stages.dataset.prepared.ImageStore`.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from stages.dataset import integrity
from stages.dataset.rle import Runs

RUNS = "masks.npy"
INDEX = "masks_index.npy"
MOST_CLASSES = 255  # a label map is uint8
_BYTES = 8  # of a run


class TrueMasksWriter:
    """Writes the masks of images one after the other, in the order of their positions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._raw = (folder / f"{RUNS}.raw").open("w+b")
        self._index: list[tuple[int, int, int, int]] = []
        self._runs = 0

    def add(self, position: int, masks: Iterable[tuple[int, Runs]]) -> None:
        """Add the masks of the image at this position: ClassId and runs."""
        for class_id, runs in masks:
            self._raw.write(np.stack(runs, axis=1).astype("<i4").tobytes())
            self._index.append((position, class_id, self._runs, len(runs.starts)))
            self._runs += len(runs.starts)

    def close(self) -> None:
        """Write the two files."""
        np.save(self._folder / INDEX, np.array(self._index, np.int64).reshape(-1, 4))
        self._raw.seek(0)
        with (self._folder / RUNS).open("wb") as file:
            header = {"descr": "<i4", "fortran_order": False, "shape": (self._runs, 2)}
            np.lib.format.write_array_header_1_0(file, header)
            while chunk := self._raw.read(1 << 20):
                file.write(chunk)
        self._raw.close()
        (self._folder / f"{RUNS}.raw").unlink()


class TrueMasks:
    """The masks, opened for reading. Safe to use from several threads.

    Raises:
        UserError: the files are damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._index, runs = integrity.read_array(folder / INDEX), integrity.read_array(folder / RUNS, in_place=True)
        if self._index.dtype != np.int64 or self._index.shape[1:] != (4,):
            raise integrity.damaged(folder / INDEX)
        positions, class_ids, first, counts = self._index.T
        in_order = (np.diff(positions) >= 0).all() and np.array_equal(first, np.cumsum(counts) - counts)
        if not in_order or (counts < 0).any() or (class_ids < 1).any() or (class_ids > MOST_CLASSES).any():
            raise integrity.damaged(folder / INDEX)
        if runs.dtype != np.dtype("<i4") or runs.shape != (self._index[:, 3].sum(), 2):
            raise integrity.damaged(folder / RUNS)
        self._offset: int = getattr(runs, "offset", 0)
        self._file = os.open(folder / RUNS, os.O_RDONLY)

    def of(self, position: int) -> list[tuple[int, Runs]]:
        """ClassId and runs of the masks of the image at this position."""
        first, last = np.searchsorted(self._index[:, 0], [position, position + 1])
        return [
            (int(class_id), self._read(int(start), int(count))) for _, class_id, start, count in self._index[first:last]
        ]

    def _read(self, first: int, count: int) -> Runs:
        raw = os.pread(self._file, _BYTES * count, self._offset + _BYTES * first)
        runs = np.frombuffer(raw, "<i4").reshape(-1, 2).astype(np.int64)
        return Runs(runs[:, 0], runs[:, 1])
