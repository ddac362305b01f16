"""Images and masks stored in the form that training reads fast, and measured on the way."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.dataset import duplicates, folds, geometry, images, label_maps, rle, validation
from stages.dataset.image_names import ImageNames
from stages.dataset.images import Size
from stages.dataset.layout import Columns, Files, Layout, Metric, RunLengths, SubmissionForm
from stages.dataset.mask_store import MaskStore
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SIGNATURES, SUMMARY, ImageStore
from stages.dataset.true_masks import TrueMasksWriter
from stages.dataset.validation import Faults
from stages.pipeline import outputs, parallel, paths
from stages.pipeline.arrays import Bool, Float32, Int64
from stages.pipeline.cli import UserError

BLOCK = 32  # images that a worker takes at a time: their signatures are one matrix product

Masks = list[tuple[int, rle.Runs]]  # ClassId and runs


@dataclass(frozen=True)
class Measured:
    """What is known about the images once they are stored. The arrays are in the order of `names`.

    Attributes:
        layout: classes and image size.
        names: file names of the images.
        pixels: pixels of each class as training reads them, int64 (images, classes).
        has_mask: whether an image has a mask, boolean (images,).
        claimed_twice: pixels of an image that several classes claim, int64 (images,).
        sizes: own height and width of each image, int64 (images, 2).
        signatures: of `duplicates`, float32 (images, duplicates.SIZE).
        digests: for each image, SHA-256 of its file and of its masks as run lengths.
    """

    layout: Layout
    names: list[str]
    pixels: Int64
    has_mask: Bool
    claimed_twice: Int64
    sizes: Int64
    signatures: Float32
    digests: list[bytes]

    @classmethod
    def empty(cls, layout: Layout, names: list[str]) -> "Measured":
        """Zeros, to be filled in."""
        count = len(names)
        return cls(
            layout,
            names,
            np.zeros((count, layout.number_of_classes), np.int64),
            np.zeros(count, np.bool_),
            np.zeros(count, np.int64),
            np.zeros((count, 2), np.int64),
            np.zeros((count, duplicates.SIZE), np.float32),
            [b""] * count,
        )


def store(names: list[str], layout: Layout, folder: Path) -> Measured:
    """Decode the training images, draw their masks, and write images.npy, labels.npy, masks*.npy and signatures.npy.

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
    if not measured.has_mask.any():
        raise UserError(
            f"{paths.TRAIN_TABLE}: expected at least one mask, found none: every EncodedPixels is empty or there are "
            "no rows"
        )
    np.save(folder / SIGNATURES, measured.signatures)
    return measured


def _read_masks(names: list[str], layout: Layout, masks: MaskStore) -> Faults:
    """Fill `masks` from the training table; rows with faults are left out and returned as faults."""
    faults = Faults()
    rows = validation.masks(paths.TRAIN_TABLE, ImageNames(names), layout, faults)
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
        for block, stored in zip(blocks, results, strict=True):
            of_images.extend(stored.faults)
            of_masks.extend(stored.faults_of_masks)
            for position, masks in stored.masks.items():
                writer.true_masks.add(position, masks)
            progress.update(len(block))
    of_images.extend(of_masks)
    return of_images


@dataclass
class _Block:
    """What is known once some images are stored: what is wrong, and their true masks by position."""

    faults: Faults = field(default_factory=Faults)
    faults_of_masks: Faults = field(default_factory=Faults)
    masks: dict[int, Masks] = field(default_factory=dict)


class _Writer:
    """Stores images and label maps by position, from several threads."""

    def __init__(self, measured: Measured, masks: MaskStore, folder: Path) -> None:
        self.measured, self._masks = measured, masks
        count, layout = len(measured.names), measured.layout
        self._images = ImageStore.create(folder / IMAGES, count, *layout.shape)
        self._labels = ImageStore.create(folder / LABELS, count, *layout.size)
        self.true_masks = TrueMasksWriter(folder)
        self._looked_at = max(1, count // images.LOOKED_AT)  # every so many images

    def close(self) -> None:
        self._images.close()
        self._labels.close()
        self.true_masks.close()

    def store_block(self, block: range) -> _Block:
        """Store some images and their signatures."""
        textures: dict[int, Float32] = {}
        found = _Block()
        for position in block:
            try:
                textures[position] = self._store(position, found)
            except images.ImageError as error:
                found.faults.add(str(error))
                list(self._parsed(position, self.measured.layout.size, found.faults_of_masks))
        if textures:
            self.measured.signatures[list(textures)] = duplicates.signatures(list(textures.values()))
        return found

    def _parsed(self, position: int, size: Size, faults: Faults) -> Iterator[tuple[int, bytes, rle.Runs]]:
        """ClassId, run-length text and runs of each mask of an image."""
        image, notation = self.measured.names[position], self.measured.layout.run_lengths
        for class_id, line, content in self._masks.of(image):
            try:
                yield class_id, content, rle.parse(content.decode(), *size, notation)
            except rle.RunLengthError as error:
                faults.add(f"{paths.TRAIN_TABLE}, line {line}: {image}, class {class_id}: {error}")

    def _store(self, position: int, found: _Block) -> Float32:
        """Store one image and its masks; returns its texture."""
        measured, layout = self.measured, self.measured.layout
        file = paths.TRAIN_IMAGES / measured.names[position]
        raw = images.contents(file)
        native = geometry.native(raw, file, layout)
        if position % self._looked_at == 0 and layout.images.channels == 1 and not layout.images.grey_from_colour:
            images.refuse_colours(raw, file)
        image = geometry.fitted(native, layout, file)
        size = (native.shape[0], native.shape[1])
        masks = list(self._parsed(position, size, found.faults_of_masks))
        self._images[position] = image
        measured.sizes[position] = size
        digest = hashlib.sha256(raw)  # the file has a quarter of the bytes of its pixels
        if masks:
            for class_id, content, _ in masks:
                digest.update(b"\n%d %s" % (class_id, content))
            found.masks[position] = self._store_masks(position, [(class_id, runs) for class_id, _, runs in masks], size)
        measured.digests[position] = digest.digest()
        return duplicates.texture(images.grey(image))

    def _store_masks(self, position: int, masks: Masks, size: Size) -> Masks:
        """Store the label map of one image; returns its masks at the size at which they are scored."""
        measured, layout = self.measured, self.measured.layout
        classes = layout.number_of_classes
        twice = label_maps.claimed_twice(masks)
        if twice:
            planes = rle.planes(masks, classes, *size)
            measured.claimed_twice[position] = int(planes.sum(dtype=np.int64)) - np.count_nonzero(planes.any(axis=-1))
        labels = label_maps.drawn(masks, classes, size, overlapping=layout.overlapping)
        fitted = geometry.fitted_labels(labels, layout)
        self._labels[position] = label_maps.packed(fitted) if layout.overlapping else fitted
        measured.pixels[position] = label_maps.pixels(fitted, classes)[1:]
        measured.has_mask[position] = True
        scored = layout.scored_size(size)
        if scored == size:
            return masks
        smaller = label_maps.resized(planes if twice else labels, scored)
        of_class = ((class_id, rle.runs(label_maps.of_class(smaller, class_id))) for class_id in layout.class_ids)
        return [(class_id, runs) for class_id, runs in of_class if len(runs.starts)]


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
    table = np.column_stack([divided.fold, divided.group, measured.sizes, measured.pixels]).tolist()
    rows = [(name, *numbers) for name, numbers in zip(measured.names, table, strict=True)]
    header = ["image", "fold", "group", "height", "width", *(f"pixels_{name}" for name in names)]
    outputs.write_table(folder / INDEX, header, rows)
    digest = hashlib.sha256(b"".join(measured.digests))
    digest.update(repr(rows).encode())
    layout = inside(measured.layout).to_json()
    summary = {"layout": layout, "folds": divided.count, "digest": digest.hexdigest()}
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def inside(layout: Layout) -> Layout:
    """What remains of a layout behind the readers: how the competition writes and scores plays no part any more."""
    scored = SubmissionForm(height=layout.submission.height, width=layout.submission.width)
    return replace(
        layout, files=Files(), columns=Columns(), run_lengths=RunLengths(), metric=Metric(), submission=scored
    )


def figures(measured: Measured, divided: Folds) -> dict[str, Any]:
    """The figures of metrics/preprocess.json."""
    names, pixels, fold = measured.layout.classes, measured.pixels, divided.fold
    area = len(fold) * measured.layout.pixels
    return {
        "images": len(fold),
        "clean_images": int((pixels.sum(axis=1) == 0).sum()),
        "near_duplicates": len(fold) - len(np.unique(divided.group)),
        "pixels_claimed_twice": int(measured.claimed_twice.sum()),
        "pixel_share": {name: pixels[:, k].sum() / area for k, name in enumerate(names)},
        "folds": {
            f"fold_{number}": {
                "images": int((fold == number).sum()),
                "classes": {name: int((pixels[fold == number, k] > 0).sum()) for k, name in enumerate(names)},
            }
            for number in range(divided.count)
        },
    }


def describe(figures: dict[str, Any], layout: Layout) -> list[str]:
    """What is worth knowing of these figures, in sentences."""
    folds_of = figures["folds"]
    lines = [
        f"{name} does not occur in fold {', '.join(lacking)}: its figures there are undefined"
        for name in figures["pixel_share"]
        if (lacking := [fold.removeprefix("fold_") for fold, of in folds_of.items() if not of["classes"][name]])
    ]
    lines.append(f"{figures['images']} images in {len(folds_of)} folds, fold {len(folds_of) - 1} held out")
    lines.append(f"{figures['near_duplicates']} near-duplicates kept in the fold of their originals")
    if figures["pixels_claimed_twice"] and not layout.overlapping:
        lines.append(
            f"{figures['pixels_claimed_twice']} pixels are claimed by several classes: training gives them to the "
            "highest ClassId, scores keep all of them (competition.overlapping_classes: true trains on all)"
        )
    return lines
