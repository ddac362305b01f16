"""The prepared data set: what preprocess writes and training and evaluation read.

    data/prepared/
        images.npy       uint8 (image, height, width), grey levels; or (image, height, width, 3), red first
        labels.npy       uint8 (image, height, width), 0 background, then ClassId; a bit for each class if they overlap
        signatures.npy   float32 (image, number), by which near-duplicates are found (see `duplicates`)
        masks*.npy       the true masks at the size at which they are scored (see `true_masks`)
        tiles.csv        one row per tile, if images are cut into tiles: image, pixels of each class
        index.csv        one row per image, in the order of the arrays: image, fold, group, its own height and width,
                         then pixels of each class in labels.npy
        summary.json     folds, layout, and a digest of images, masks and index

The arrays hold an image as networks see it; with `images.sizes: tiled`, the tiles of an image one after the other.

Pixels are stored uncompressed: reading one image takes a tenth of a millisecond where decoding a JPEG takes four. Sets
that would fill the disk are stored as PNG (see `encoded_store`). pandas would double the time that a command starts in.
"""

import csv
import math
import os
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from stages.dataset import geometry, integrity, label_maps, true_masks
from stages.dataset.encoded_store import EncodedStore
from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.dataset.tiles import Grid
from stages.pipeline import outputs
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError

INDEX = "index.csv"
SUMMARY = "summary.json"
TILES = "tiles.csv"
IMAGES = "images.npy"
LABELS = "labels.npy"
SIGNATURES = "signatures.npy"


class ImageStore:
    """Arrays of one shape in an `.npy` file, uint8 (count, height, width, …), one read or written at a time.

    Not a memory map, whose pages would count as this process's memory. Safe to use from several threads.
    """

    def __init__(self, path: Path, mode: str = "r") -> None:
        array = integrity.read_array(path, in_place=True)
        if array.dtype != np.uint8 or array.ndim not in (3, 4):
            raise ValueError(f"{path}: expected uint8 of three or four dimensions, found {array.dtype} {array.shape}")
        self.count, *shape = array.shape
        self.shape = tuple(map(int, shape))
        self.height, self.width = self.shape[:2]
        self._bytes = int(np.prod(self.shape))
        self._offset: int = array.offset
        self._file = os.open(path, os.O_RDWR if mode == "r+" else os.O_RDONLY)

    @classmethod
    def create(cls, path: Path, count: int, *shape: int) -> "ImageStore":
        """Make a file of zeros, `count` arrays of this shape, and open it for writing."""
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *shape))
        return cls(path, "r+")

    def __len__(self) -> int:
        return int(self.count)

    def __getitem__(self, position: int) -> UInt8:
        """One of the arrays, uint8."""
        raw = os.pread(self._file, self._bytes, self._offset + self._check(position) * self._bytes)
        return np.frombuffer(raw, np.uint8).reshape(self.shape)

    def __setitem__(self, position: int, image: UInt8) -> None:
        if image.shape != self.shape:
            raise ValueError(f"expected an array of shape {self.shape}, found {image.shape}")
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


class Readable(Protocol):
    """Images of one height and width, by position: uint8 (height, width) or (height, width, 3)."""

    height: int
    width: int

    def __getitem__(self, position: int) -> UInt8: ...


class LabelStore:
    """Label maps or, where classes overlap, planes (see `stages.dataset.label_maps`), one read at a time."""

    def __init__(self, store: "ImageStore | EncodedStore", layout: Layout) -> None:
        self._store, self._layout = store, layout

    def __len__(self) -> int:
        return len(self._store)

    def __getitem__(self, position: int) -> UInt8:
        """Uint8 (height, width), or (height, width, classes) if classes overlap."""
        stored = self._store[position]
        return label_maps.unpacked(stored, self._layout.number_of_classes) if self._layout.overlapping else stored


def _store(path: Path, shape: tuple[int, ...]) -> ImageStore | EncodedStore:
    try:
        store = EncodedStore(path, shape) if EncodedStore.exists(path) else ImageStore(path)
        if store.shape == shape:
            return store
    except ValueError:  # an array of another kind
        pass
    raise integrity.damaged(path)


@dataclass(frozen=True)
class Sample:
    """One image of the index, or one of its tiles.

    Attributes:
        position: place in the index, from 0; of a tile, in the arrays of images and labels.
        image: file name.
        fold: 0 … folds-1; the last is held out.
        group: number that near-duplicates share, and no other image has.
        pixels: pixels of each class in the label map that training reads, ClassId 1 first.
        size: its own height and width in pixels.
    """

    position: int
    image: str
    fold: int
    group: int
    pixels: tuple[int, ...]
    size: Size


class Labelled(Protocol):
    """Images with label maps from which crops are taken: a `Dataset`, or pseudo-labels."""

    @property
    def images(self) -> Readable:
        """By position, as the labels."""

    @property
    def labels(self) -> LabelStore:
        """Label maps or planes."""

    @property
    def layout(self) -> Layout:
        """Says which of the two."""

    @property
    def classes(self) -> list[str]:
        """Their names."""

    def tiles(self, samples: list[Sample]) -> list[Sample]:
        """The tiles of these images, from which crops are taken."""


class Dataset:
    """A prepared data set, opened for reading.

    Raises:
        UserError: one of its files is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        encoded = EncodedStore.exists(folder / IMAGES)
        self._require(INDEX, SUMMARY, *(() if encoded else (IMAGES, LABELS)), true_masks.INDEX, true_masks.RUNS)
        self.summary, self.layout, self.folds = integrity.read_summary(folder / SUMMARY)
        self.classes: list[str] = list(self.layout.classes)
        self.images = _store(folder / IMAGES, self.layout.shape)
        self.labels = LabelStore(_store(folder / LABELS, self.layout.size), self.layout)
        self._masks = true_masks.TrueMasks(folder)
        rows = self._rows(INDEX)
        integrity.check_summary(folder / SUMMARY, rows, self.classes, self.folds)
        self.index = [
            Sample(
                position,
                row["image"],
                int(row["fold"]),
                int(row["group"]),
                tuple(int(row[f"pixels_{name}"]) for name in self.classes),
                (int(row["height"]), int(row["width"])),
            )
            for position, row in enumerate(rows)
        ]
        self._grids = [Grid.of(sample.size, self.layout) for sample in self.index]
        self._first = list(accumulate(map(len, self._grids), initial=0))
        if {len(self.images), len(self.labels)} != {self._first[-1]}:
            raise integrity.damaged(folder / IMAGES)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the folder itself."""
        return Dataset, (self._folder.absolute(),)

    def _rows(self, name: str) -> list[dict[str, str]]:
        try:
            with (self._folder / name).open(encoding="utf-8", newline="") as file:
                return [row | {"image": outputs.unescaped(row["image"])} for row in csv.DictReader(file)]
        except (UnicodeDecodeError, KeyError, csv.Error):
            raise integrity.damaged(self._folder / name) from None

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
        return np.asarray(integrity.read_array(self._folder / SIGNATURES), np.float32)

    def truth(self, sample: Sample) -> UInt8:
        """The true masks of an image at the size at which the competition scores, as the training table gives them.

        A label map, uint8 (height, width), or planes, uint8 (height, width, classes), if classes overlap: in the
        competition, or by mistake in the masks of this image.
        """
        masks = self._masks.of(sample.position)
        overlapping = self.layout.overlapping or label_maps.claimed_twice(masks)
        size = self.layout.scored_size(sample.size)
        try:
            return label_maps.drawn(masks, len(self.classes), size, overlapping=overlapping)
        except (ValueError, IndexError):  # runs that overlap, or lead outside; a class that there is not
            raise integrity.damaged(self._folder / true_masks.RUNS) from None

    def image(self, sample: Sample) -> UInt8:
        """The image as networks see it, uint8 (height, width) or (height, width, 3); whole, if it is cut into tiles."""
        return self._whole(self.images, sample)

    def label_map(self, sample: Sample) -> UInt8:
        """The label map or planes of `image`, uint8 (height, width) or (height, width, classes)."""
        return self._whole(self.labels, sample)

    def _whole(self, store: "ImageStore | EncodedStore | LabelStore", sample: Sample) -> UInt8:
        first, end = self._first[sample.position : sample.position + 2]
        return self._grids[sample.position].joined([store[number] for number in range(first, end)])

    def picture(self, sample: Sample) -> UInt8:
        """The image at the size of `truth`, uint8 (height, width) or (height, width, 3)."""
        return geometry.restored(self.image(sample), self.layout, sample.size)

    def tiles(self, samples: list[Sample]) -> list[Sample]:
        """The tiles of these images, from which crops are taken: the images themselves unless they are cut."""
        if self.layout.images.sizes != "tiled":
            return samples
        return [
            replace(sample, position=number, pixels=self._tile_pixels[number], size=self.layout.size)
            for sample in samples
            for number in range(*self._first[sample.position : sample.position + 2])
        ]

    @cached_property
    def _tile_pixels(self) -> list[tuple[int, ...]]:
        self._require(TILES)
        return [tuple(int(row[f"pixels_{name}"]) for name in self.classes) for row in self._rows(TILES)]

    def area(self, samples: list[Sample]) -> int:
        """Pixels of these images as networks see them, those in two tiles once."""
        return sum(math.prod(geometry.fitted_size(sample.size, self.layout)) for sample in samples)

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
