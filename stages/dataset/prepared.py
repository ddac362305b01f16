"""The prepared data set: what preprocess writes and training and evaluation read.

    data/prepared/
        images.npy      uint8 (image, height, width), grey levels
        labels.npy      uint8 (image, height, width), 0 background, then ClassId
        signatures.npy  float32 (image, number), by which near-duplicates are found (see `duplicates`)
        index.csv       one row per image, in the order of the arrays: image, fold, group, then pixels of each class
        summary.json    folds, classes, and a digest of images, masks and index

Pixels are stored uncompressed: reading one image is then one read of height × width bytes at a known place, which takes
a tenth of a millisecond where decoding a JPEG takes four. `ImageStore` replaces NumPy's memory maps, whose pages count
as this process's memory. index.csv is read by the standard library: pandas would double the time that a command needs
to start.
"""

import csv
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError

INDEX = "index.csv"
SUMMARY = "summary.json"
IMAGES = "images.npy"
LABELS = "labels.npy"
SIGNATURES = "signatures.npy"


class ImageStore:
    """Images of one size in an `.npy` file of shape (count, height, width), uint8, one read or written at a time.

    Reads use `pread`, not a memory map: mapped pages would count as this process's memory and grow with the data set.
    Safe to use from several threads.
    """

    def __init__(self, path: Path, mode: str = "r") -> None:
        array = np.load(path, mmap_mode="r")
        if array.dtype != np.uint8 or array.ndim != 3:
            raise ValueError(f"{path}: expected uint8 of three dimensions, found {array.dtype} {array.shape}")
        self.count, self.height, self.width = array.shape
        self._offset: int = array.offset
        self._file = os.open(path, os.O_RDWR if mode == "r+" else os.O_RDONLY)

    @classmethod
    def create(cls, path: Path, count: int, height: int, width: int) -> "ImageStore":
        """Make a file of zeros and open it for writing."""
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, height, width))
        return cls(path, "r+")

    def __len__(self) -> int:
        return int(self.count)

    def __getitem__(self, position: int) -> UInt8:
        """One image, uint8 of shape (height, width)."""
        size = self.height * self.width
        raw = os.pread(self._file, size, self._offset + self._check(position) * size)
        return np.frombuffer(raw, np.uint8).reshape(self.height, self.width)

    def __setitem__(self, position: int, image: UInt8) -> None:
        if image.shape != (self.height, self.width):
            raise ValueError(f"expected {self.height}×{self.width} pixels, found {image.shape}")
        raw = np.ascontiguousarray(image, np.uint8)
        written = os.pwrite(self._file, raw.data, self._offset + self._check(position) * raw.size)
        if written != raw.size:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _check(self, position: int) -> int:
        if not 0 <= position < self.count:
            raise IndexError(f"expected a position in 0 … {self.count - 1}, found {position}")
        return position


@dataclass(frozen=True)
class Sample:
    """One image of the index.

    Attributes:
        position: its place in the arrays, from 0.
        image: file name.
        fold: 0 … folds-1; the last is held out.
        group: number that near-duplicates share, and no other image has.
        pixels: pixels of each class, ClassId 1 first.
    """

    position: int
    image: str
    fold: int
    group: int
    pixels: tuple[int, ...]


class Dataset:
    """A prepared data set, opened for reading.

    Raises:
        UserError: one of its files is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._require(INDEX, SUMMARY, IMAGES, LABELS)
        self.summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        self.classes: list[str] = self.summary["classes"]
        self.folds: int = self.summary["folds"]
        self.images = ImageStore(folder / IMAGES)
        self.labels = ImageStore(folder / LABELS)
        with (folder / INDEX).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.index = [
            Sample(
                position,
                row["image"],
                int(row["fold"]),
                int(row["group"]),
                tuple(int(row[f"pixels_{name}"]) for name in self.classes),
            )
            for position, row in enumerate(rows)
        ]

    def _require(self, *names: str) -> None:
        missing = [name for name in names if not (self._folder / name).is_file()]
        if missing:
            raise UserError(
                f"{self._folder}: expected what preprocess writes, found no {', '.join(missing)}: run dvc repro"
            )

    @cached_property
    def signatures(self) -> Float32:
        """Signatures of all images, in the order of the index: float32 (images, duplicates.SIZE)."""
        self._require(SIGNATURES)
        return np.asarray(np.load(self._folder / SIGNATURES), np.float32)

    @property
    def held_out(self) -> int:
        """The fold on which nothing is chosen: the last."""
        return self.folds - 1

    def fold(self, fold: int) -> list[Sample]:
        """The images of one fold."""
        return [sample for sample in self.index if sample.fold == fold]

    def training(self, validation_fold: int) -> list[Sample]:
        """The images that a network is trained on: neither its validation fold's nor the held-out ones."""
        return [sample for sample in self.index if sample.fold not in (validation_fold, self.held_out)]
