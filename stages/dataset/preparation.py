"""Images and masks stored in the form that training reads fast, and measured on the way."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.dataset import duplicates, folds, images, rle, validation
from stages.dataset.layout import Layout
from stages.dataset.mask_store import MaskStore
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SIGNATURES, SUMMARY, ImageStore
from stages.dataset.validation import Faults
from stages.pipeline import outputs, parallel, paths
from stages.pipeline.arrays import Float32, Int64
from stages.pipeline.cli import UserError

BLOCK = 32  # images that a worker takes at a time: their signatures are one matrix product


@dataclass(frozen=True)
class Measured:
    """What is known about the images once they are stored. The arrays are in the order of `names`.

    Attributes:
        layout: classes and image size.
        names: file names of the images.
        pixels: pixels of each class, int64 (images, classes).
        claims: pixels of all masks of an image together, int64 (images,); overlaps count as often as they are claimed.
        signatures: of `duplicates`, float32 (images, duplicates.SIZE).
        digests: for each image, SHA-256 of its file and of its masks as run lengths.
    """

    layout: Layout
    names: list[str]
    pixels: Int64
    claims: Int64
    signatures: Float32
    digests: list[bytes]

    @classmethod
    def empty(cls, layout: Layout, names: list[str]) -> "Measured":
        """Zeros, to be filled in."""
        count = len(names)
        pixels, claims = np.zeros((count, layout.number_of_classes), np.int64), np.zeros(count, np.int64)
        return cls(layout, names, pixels, claims, np.zeros((count, duplicates.SIZE), np.float32), [b""] * count)


def store(names: list[str], layout: Layout, folder: Path) -> Measured:
    """Decode the training images, draw their masks, and write images.npy, labels.npy and signatures.npy.

    Args:
        names: file names of the training images.
        layout: classes and image size.
        folder: where to write.

    Raises:
        UserError: images or masks have faults, or there is no mask at all. Faults of images are reported first.
    """
    with MaskStore(folder) as masks:
        faults_of_rows = _read_masks(names, layout, masks)
        writer = _Writer(Measured.empty(layout, names), masks, folder)
        faults = _run_blocks(writer, len(names))
        writer.close()
    faults.extend(faults_of_rows)
    faults.raise_if_any()
    measured = writer.measured
    if not measured.claims.any():
        raise UserError(
            f"{paths.TRAIN_TABLE}: expected at least one mask, found none: every EncodedPixels is empty or there are "
            "no rows"
        )
    np.save(folder / SIGNATURES, measured.signatures)
    return measured


def _read_masks(names: list[str], layout: Layout, masks: MaskStore) -> Faults:
    """Fill `masks` from the training table; rows with faults are left out and returned as faults."""
    faults = Faults()
    rows = validation.masks(paths.TRAIN_TABLE, set(names), layout, faults)
    for row in tqdm(rows, "preprocess: masks", unit=" masks", disable=None):
        masks.add(row, row.runs.encode())
    return faults


def _run_blocks(writer: "_Writer", count: int) -> Faults:
    """Store all images on all cores; returns what is wrong with images, then with their masks."""
    blocks = [range(count)[start : start + BLOCK] for start in range(0, count, BLOCK)]
    of_images, of_masks = Faults(), Faults()
    # One thread per matrix product: more would wait for the other workers and use twice the processor time.
    with (
        threadpool_limits(1, "blas"),
        closing(parallel.in_order(writer.store_block, blocks)) as results,
        tqdm(total=count, desc="preprocess: images", unit=" images", disable=None) as progress,
    ):
        for block, (faults, faults_of_masks) in zip(blocks, results, strict=True):
            of_images.extend(faults)
            of_masks.extend(faults_of_masks)
            progress.update(len(block))
    of_images.extend(of_masks)
    return of_images


class _Writer:
    """Stores images and label maps by position, from several threads."""

    def __init__(self, measured: Measured, masks: MaskStore, folder: Path) -> None:
        self.measured, self._masks = measured, masks
        count, size = len(measured.names), measured.layout.size
        self._images = ImageStore.create(folder / IMAGES, count, *size)
        self._labels = ImageStore.create(folder / LABELS, count, *size)

    def close(self) -> None:
        self._images.close()
        self._labels.close()

    def store_block(self, block: range) -> tuple[Faults, Faults]:
        """Store some images and their signatures; returns the faults of the images and of their masks."""
        textures: dict[int, Float32] = {}
        of_images, of_masks = Faults(), Faults()
        for position in block:
            masks = list(self._parsed(position, of_masks))
            try:
                textures[position] = self._store(position, masks)
            except images.ImageError as error:
                of_images.add(str(error))
        if textures:
            self.measured.signatures[list(textures)] = duplicates.signatures(list(textures.values()))
        return of_images, of_masks

    def _parsed(self, position: int, faults: Faults) -> Iterator[tuple[int, bytes, rle.Runs]]:
        """ClassId, run-length text and runs of each mask of an image."""
        image = self.measured.names[position]
        for class_id, line, content in self._masks.of(image):
            try:
                yield class_id, content, rle.parse(content.decode(), *self.measured.layout.size)
            except rle.RunLengthError as error:
                faults.add(f"{paths.TRAIN_TABLE}, line {line}: {image}, class {class_id}: {error}")

    def _store(self, position: int, masks: list[tuple[int, bytes, rle.Runs]]) -> Float32:
        """Store one image and its masks; returns its texture."""
        measured, size = self.measured, self.measured.layout.size
        file = paths.TRAIN_IMAGES / measured.names[position]
        raw = images.contents(file, *size)
        image = images.decode(raw, file, *size)
        self._images[position] = image
        digest = hashlib.sha256(raw)  # the file has a quarter of the bytes of its pixels
        if masks:
            label_map = rle.label_map([(class_id, runs) for class_id, _, runs in masks], *size)
            self._labels[position] = label_map
            for class_id, content, runs in masks:
                measured.pixels[position, class_id - 1] = np.count_nonzero(label_map == class_id)
                measured.claims[position] += runs.area
                digest.update(b"\n%d %s" % (class_id, content))
        measured.digests[position] = digest.digest()
        return duplicates.texture(image)


@dataclass(frozen=True)
class Folds:
    """How the images are divided.

    Attributes:
        count: how many folds; the last is held out.
        fold: fold of each image, int64 (images,).
        group: group of near-duplicates of each image, int64 (images,).
    """

    count: int
    fold: Int64
    group: Int64


def divide(measured: Measured, duplicate_correlation: float, count: int, seed: int) -> Folds:
    """Find near-duplicates and assign every image to a fold.

    Raises:
        UserError: there are fewer groups of near-duplicates than folds.
    """
    groups = duplicates.groups(measured.signatures, duplicate_correlation)
    found = int(groups.max()) + 1
    if found < count:
        raise UserError(
            f"{paths.TRAIN_IMAGES}: expected at least preprocess.folds = {count} groups of near-duplicates, "
            f"found {found} among {len(groups)} images (preprocess.duplicate_correlation defines a near-duplicate)"
        )
    return Folds(count, folds.assign(measured.pixels, groups, count, seed), groups)


def write_index(measured: Measured, divided: Folds, folder: Path) -> None:
    """Write index.csv and summary.json."""
    names = measured.layout.classes
    table = np.column_stack([divided.fold, divided.group, measured.pixels]).tolist()
    rows = [(name, *numbers) for name, numbers in zip(measured.names, table, strict=True)]
    outputs.write_table(folder / INDEX, ["image", "fold", "group", *(f"pixels_{name}" for name in names)], rows)
    digest = hashlib.sha256(b"".join(measured.digests))
    digest.update(repr(rows).encode())
    summary = {"classes": names, "folds": divided.count, "digest": digest.hexdigest()}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def figures(measured: Measured, divided: Folds) -> dict[str, Any]:
    """The figures of metrics/preprocess.json."""
    names, pixels, fold = measured.layout.classes, measured.pixels, divided.fold
    area = len(fold) * measured.layout.pixels
    return {
        "images": len(fold),
        "clean_images": int((pixels.sum(axis=1) == 0).sum()),
        "near_duplicates": len(fold) - len(np.unique(divided.group)),
        "pixels_claimed_twice": int(measured.claims.sum() - pixels.sum()),
        "pixel_share": {name: pixels[:, k].sum() / area for k, name in enumerate(names)},
        "folds": {
            f"fold_{number}": {
                "images": int((fold == number).sum()),
                "classes": {name: int((pixels[fold == number, k] > 0).sum()) for k, name in enumerate(names)},
            }
            for number in range(divided.count)
        },
    }


def describe(figures: dict[str, Any]) -> list[str]:
    """What is worth knowing of these figures, in sentences."""
    folds_of = figures["folds"]
    lines = [
        f"{name} does not occur in fold {', '.join(lacking)}: its figures there are undefined"
        for name in figures["pixel_share"]
        if (lacking := [fold.removeprefix("fold_") for fold, of in folds_of.items() if not of["classes"][name]])
    ]
    lines.append(f"{figures['images']} images in {len(folds_of)} folds, fold {len(folds_of) - 1} held out")
    lines.append(f"{figures['near_duplicates']} near-duplicates kept in the fold of their originals")
    if figures["pixels_claimed_twice"]:
        lines.append(
            f"{figures['pixels_claimed_twice']} pixels are claimed by several classes: the highest ClassId gets them"
        )
    return lines
