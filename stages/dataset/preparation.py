"""Images and masks stored in the form that training reads fast, and measured on the way."""

import hashlib
import json
import math
import re
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from stages.dataset import duplicates, encoded_store, folds, geometry, integrity, true_masks, validation
from stages.dataset.image_names import ImageNames
from stages.dataset.image_writer import ImageWriter, Measured
from stages.dataset.layout import Columns, Files, Layout, Metric, RunLengths, SubmissionForm
from stages.dataset.mask_store import MaskStore
from stages.dataset.prepared import INDEX, SIGNATURES, SUMMARY, TILES
from stages.dataset.reading_order import PartsByOrder
from stages.dataset.validation import Faults, SpaceError
from stages.pipeline import outputs, parallel, paths
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar, counter
from stages.pipeline.settings import Preprocess

BLOCK = 64  # images that a worker takes at a time: their signatures are one matrix product
LEAST_BLOCK = 8  # near the end, so that no worker waits long for the last one


def store(names: list[str], layout: Layout, folder: Path) -> Measured:
    """Decode the training images, draw their masks, and write images.npy, labels.npy, masks*.npy and signatures.npy.

    Args:
        names: file names of the training images.
        layout: classes and image size.
        folder: where to write.

    Raises:
        UserError: images or masks have faults, or there is no mask at all. Faults of images are reported first.
    """
    measured = Measured.empty(layout, names)
    _check_space(len(measured.tile_pixels), layout, folder)
    rows = validation.Rows()
    with MaskStore(folder) as masks:
        faults_of_rows = _read_masks(names, layout, masks, rows)
        writer = ImageWriter(measured, masks, folder)
        faults, parts = _run_blocks(writer, len(names))
        writer.close()
    faults.extend(faults_of_rows)
    faults.raise_if_any()
    parts.refuse_wrong_order(str(paths.TRAIN_TABLE), layout.run_lengths)
    if not measured.has_mask.any():
        raise UserError(
            f"{paths.TRAIN_TABLE}: expected at least one mask, found none: every EncodedPixels is empty or there are "
            "no rows"
        )
    for note in (parts.doubt(str(paths.TRAIN_TABLE), layout.run_lengths), rows.note(len(names))):
        if note is not None:
            print(f"preprocess: {note}")
    np.save(folder / SIGNATURES, measured.signatures)
    return measured


def _check_space(count: int, layout: Layout, folder: Path) -> None:
    """Say how much space the images will take, and see that it is there."""
    needed, free = encoded_store.bytes_as_pixels(count, layout.shape), shutil.disk_usage(folder).free
    if encoded_store.worth_encoding(count, layout.shape):
        print(f"preprocess: {needed / 1e9:.0f} GB as pixels, so the images are stored as PNG (about half of that)")
        needed //= 2
    elif needed > 1e9:
        print(f"preprocess: {needed / 1e9:.1f} GB of pixels are written to {paths.PREPARED}")
    if needed > free:
        raise SpaceError(
            f"{paths.PREPARED}: expected about {needed / 1e6:,.1f} MB of free disk space for {count:,} images or tiles "
            f"of {layout}, found {free / 1e6:,.1f} MB: a smaller working size (competition.image_height, image_width, "
            "with images.sizes: resized) needs less"
        )


def _read_masks(names: list[str], layout: Layout, masks: MaskStore, rows: validation.Rows) -> Faults:
    """Fill `masks` from the training table; rows with faults are left out and returned as faults."""
    faults = Faults()
    found = validation.masks(paths.TRAIN_TABLE, ImageNames(names), layout, faults, rows)
    for row in bar(found, "preprocess: masks", unit="masks"):
        masks.add(row, row.runs.encode())
    return faults


def _run_blocks(writer: ImageWriter, count: int) -> tuple[Faults, PartsByOrder]:
    """Store all images on all cores; returns what is wrong with images, then with their masks, and parts of masks."""
    blocks = _blocks(count)
    of_images, of_masks, parts = Faults(), Faults(), PartsByOrder()
    # One thread per matrix product: more would wait for the other workers and use twice the processor time.
    with (
        threadpool_limits(1, "blas"),
        closing(parallel.in_order(writer.store_block, blocks, per_worker=2)) as results,
        counter("preprocess: images", count) as progress,
    ):
        for block, stored in zip(blocks, results, strict=True):
            of_images.extend(stored.faults)
            of_masks.extend(stored.faults_of_masks)
            parts.join(stored.parts)
            writer.append(block, stored)
            progress.update(len(block))
    of_images.extend(of_masks)
    return of_images, parts


def _blocks(count: int) -> list[range]:
    """Positions of images in blocks that become smaller towards the end, whatever the number of cores.

    No image is left over as a block of its own: some libraries round a product with one row otherwise.
    """
    blocks, start = [], 0
    while start < count:
        size = min(BLOCK, max(LEAST_BLOCK, (count - start) // 16 // LEAST_BLOCK * LEAST_BLOCK))
        end = start + size if count - start - size >= min(BLOCK, LEAST_BLOCK) else count
        blocks.append(range(start, end))
        start = end
    return blocks


@dataclass(frozen=True)
class Folds:
    """How the images are divided.

    Attributes:
        count: how many folds; the last is held out.
        fold: fold of each image, int64 (images,).
        group: group of near-duplicates of each image, int64 (images,).
        divided: for each chain of near-duplicates that was too large for a fold, its size and the correlation at which
            it was divided.
    """

    count: int
    fold: Int64
    group: Int64
    divided: dict[int, float]


def divide(measured: Measured, options: Preprocess, seed: int, kept: Int64) -> Folds:
    """Find near-duplicates, join images that belong together by their names, and assign every image to a fold.

    Args:
        measured: the images.
        options: the section of params.yaml.
        seed: decides among equally good splits.
        kept: the fold that each image keeps, int64 (images,); negative: none.

    Raises:
        UserError: there are fewer groups than folds, or names without the groups of `preprocess.group_by`, or a fold
            would be left without an image.
    """
    count, correlation = options.folds, options.duplicate_correlation
    groups = duplicates.groups(measured.signatures, correlation)
    groups, chains = duplicates.divided(measured.signatures, groups, correlation, -(-len(groups) // count))
    groups = duplicates.still_divided(measured.signatures, groups, kept, count, correlation)
    if options.group_by is not None:
        groups = duplicates.joined(groups, _keys(measured.names, options.group_by))
    found = int(groups.max()) + 1
    if found < count:
        raise UserError(
            f"{paths.TRAIN_IMAGES}: expected at least preprocess.folds = {count} groups of images that belong "
            f"together, found {found} among {len(groups)} images (preprocess.duplicate_correlation defines a "
            "near-duplicate, preprocess.group_by what belongs together by name)"
        )
    fold = folds.assign(measured.pixels, groups, count, seed, kept)
    if empty := sorted(set(range(count)) - set(fold.tolist())):
        raise UserError(
            f"{paths.KEPT_FOLDS}: expected images for every fold, found none for fold {empty[0]} among those that are "
            "kept or new: leave only the header, to divide all images anew"
        )
    return Folds(count, fold, groups, chains)


def _keys(names: list[str], pattern: str) -> list[str]:
    """What `preprocess.group_by` finds in each name."""
    found = [re.search(pattern, name) for name in names]
    lacking = [name for name, match in zip(names, found, strict=True) if match is None]
    if lacking:
        raise UserError(
            f"params.yaml: preprocess.group_by: expected a pattern that is found in every image's name, found "
            f"{len(lacking)} of {len(names)} names without it, such as {lacking[0]}"
        )
    return [repr(match.groups()) for match in found if match is not None]


def write_index(measured: Measured, divided: Folds, folder: Path) -> None:
    """Write index.csv and summary.json."""
    names = measured.layout.classes
    table = np.column_stack([divided.fold, divided.group, measured.sizes, measured.pixels]).tolist()
    rows = [(name, *numbers) for name, numbers in zip(measured.names, table, strict=True)]
    header = ["image", "fold", "group", "height", "width", *(f"pixels_{name}" for name in names)]
    outputs.write_table(folder / INDEX, header, rows)
    if measured.layout.images.sizes == "tiled":
        of_tiles = zip(np.repeat(np.arange(len(rows)), np.diff(measured.first_tile)), measured.tile_pixels, strict=True)
        header = ["image", *(f"pixels_{name}" for name in names)]
        outputs.write_table(folder / TILES, header, ((measured.names[n], *pixels.tolist()) for n, pixels in of_tiles))
    digest = hashlib.sha256(b"".join(measured.digests))
    digest.update(repr(rows).encode())
    layout = inside(measured.layout).to_json()
    chains = {str(size): correlation for size, correlation in divided.divided.items()}
    small = [INDEX, SIGNATURES, true_masks.INDEX, *([TILES] if measured.layout.images.sizes == "tiled" else [])]
    summary = {
        "layout": layout,
        "folds": divided.count,
        "divided_groups": chains,
        "digest": digest.hexdigest(),
        integrity.KEY: integrity.of_files(folder, small),
    }
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
    area = sum(math.prod(geometry.fitted_size(size, measured.layout)) for size in measured.sizes.tolist())
    return {
        "images": len(fold),
        "clean_images": int((pixels.sum(axis=1) == 0).sum()),
        "near_duplicates": len(fold) - len(np.unique(divided.group)),
        "divided_groups": len(divided.divided),
        "pixels_claimed_twice": int(measured.claimed_twice.sum()),
        "share_lost_to_other_classes": {
            name: int(measured.lost[:, k].sum()) / max(int(measured.claimed[:, k].sum()), 1)
            for k, name in enumerate(names)
        },
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
    count = f"{len(folds_of)} folds (preprocess.folds)"
    lines.append(f"{figures['images']} images in {count}, fold {len(folds_of) - 1} held out")
    copies = f"{figures['near_duplicates']} near-duplicates (preprocess.duplicate_correlation)"
    lines.append(f"{copies} kept in the fold of their originals")
    if figures["divided_groups"]:
        lines.append(
            f"{figures['divided_groups']} chain(s) of near-duplicates would fill a fold and were divided: some near-"
            "duplicates lie in different folds (preprocess.duplicate_correlation defines a near-duplicate)"
        )
    if figures["pixels_claimed_twice"] and not layout.overlapping:
        shares = figures["share_lost_to_other_classes"].items()
        lost = ", ".join(f"{name} {share:.1%}" for name, share in shares if share)
        lines.append(
            f"{figures['pixels_claimed_twice']} pixels are claimed by several classes: training gives them to the "
            f"highest, by which classes lose of their pixels: {lost}. Scores keep them "
            "(competition.overlapping_classes: true trains on all)"
        )
    return lines
