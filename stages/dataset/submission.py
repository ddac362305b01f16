"""`submission.csv`: written in the competition's form, and checked by reading it back.

Two columns, `ImageId_ClassId,EncodedPixels`: one row per image and class, empty if there is no mask. Three columns,
`ImageId,EncodedPixels,ClassId` (in the sample's order): one row per predicted mask; an image without any keeps its
filler row of the sample, with class 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from stages.dataset import rle, tables
from stages.dataset.layout import Layout
from stages.pipeline import outputs
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class Template:
    """What `sample_submission.csv` asks for.

    Attributes:
        layout: classes and image size of the competition.
        header: its columns, in its order.
        images: its images, in its order.
        rows: the rows of each image: ClassId and run lengths.
    """

    layout: Layout
    header: list[str]
    images: list[str]
    rows: list[list[tuple[int, str]]]


def template(path: Path, layout: Layout) -> Template:
    """Read `sample_submission.csv`.

    Raises:
        UserError: the file is unreadable or has no rows, the rows of an image do not follow one another, or, in the
            two-column form, an image lacks a row for a class.
    """
    images, rows = [], []
    for image, group in groupby(tables.read(path, layout, filler=True), key=lambda row: row.image):
        images.append(image)
        rows.append([(row.class_id, row.runs) for row in group])
    if not images:
        raise UserError(f"{path}: expected a row for every test image, found none")
    if len(set(images)) != len(images):
        twice = next(image for number, image in enumerate(images) if image in images[:number])
        raise UserError(f"{path}: expected the rows of one image one after the other, found {twice} in two places")
    header = tables.header(path)
    if len(header) == 3:
        for image, own in zip(images, rows, strict=True):
            if own[0][0] != 0:  # it would be submitted as a mask of every image without one
                raise UserError(f"{path}: {image}: expected a filler row of class 0, found class {own[0][0]}")
    else:
        for image, own in zip(images, rows, strict=True):
            if sorted(class_id for class_id, _ in own) != list(layout.class_ids):
                raise UserError(
                    f"{path}: {image}: expected a row for each of the classes 1 … {layout.number_of_classes}, "
                    f"found {[class_id for class_id, _ in own]}"
                )
    return Template(layout, header, images, rows)


def write(path: Path, sample: Template, label_maps: Iterator[UInt8], form: str) -> None:
    """Write a submission.

    Args:
        path: the file to write.
        sample: what the competition asks for.
        label_maps: uint8 (height, width), 0 background, else ClassId, one for each of
            `sample.images`, in that order.
        form: "sample" for the columns of the sample, "pairs" for the two-column form.
    """
    header = _header(sample, form)

    def lines() -> Iterator[list[str]]:
        for image, rows, label_map in zip(sample.images, sample.rows, label_maps, strict=True):
            order = [class_id for class_id, _ in rows] if len(sample.header) == 2 else list(sample.layout.class_ids)
            masks = [(class_id, rle.encode(label_map == class_id)) for class_id in order]
            if len(header) == 3:  # only the predicted masks, or the sample's filler
                masks = [(class_id, runs) for class_id, runs in masks if runs] or rows[:1]
            for class_id, runs in masks:
                cells = {
                    "ImageId_ClassId": f"{image}_{class_id}",
                    "ImageId": image,
                    "ClassId": str(class_id),
                    "EncodedPixels": runs,
                }
                yield [cells[column] for column in header]

    outputs.write_table(path, header, lines())


def check(path: Path, sample: Template, form: str) -> dict[str, int]:
    """Read a submission back and compare it with the sample.

    Returns:
        Counts: `images`, `masks`, and the masks of each class as `class_1`, ….

    Raises:
        UserError: wrong columns, images that are missing or in another order, a class of an image that is missing or
            occurs twice, invalid run lengths, or masks of one image that overlap.
    """
    expected = _header(sample, form)
    pairs = len(expected) == 2
    if (found := tables.header(path)) != expected:
        raise UserError(f"{path}, line 1: expected {','.join(expected)}, found {','.join(found)}")
    counts = {"images": 0, "masks": 0, **{f"class_{k}": 0 for k in sample.layout.class_ids}}
    grouped = groupby(tables.read(path, sample.layout, filler=not pairs), key=lambda row: row.image)
    for position, (image, group) in enumerate(grouped):
        if position >= len(sample.images) or image != sample.images[position]:
            wanted = sample.images[position] if position < len(sample.images) else "the end of the file"
            raise UserError(f"{path}: expected {wanted} as image {position + 1}, as in the sample, found {image}")
        _check_image(path, image, list(group), pairs, sample.layout, counts)
    if counts["images"] != len(sample.images):
        raise UserError(f"{path}: expected {len(sample.images)} images, as in the sample, found {counts['images']}")
    return counts


def _header(sample: Template, form: str) -> list[str]:
    """Columns of a submission: the sample's, or the two-column form if `form` asks for it."""
    return list(tables.PAIRS) if form == "pairs" and len(sample.header) == 3 else sample.header


def _check_image(
    path: Path, image: str, rows: list[tables.Row], pairs: bool, layout: Layout, counts: dict[str, int]
) -> None:
    numbers = [row.class_id for row in rows]
    wanted = list(layout.class_ids)
    if (pairs and sorted(numbers) != wanted) or len(set(numbers)) != len(numbers) or (0 in numbers and len(rows) > 1):
        raise UserError(f"{path}: {image}: expected each class once, found classes {numbers}")
    covered = np.zeros(layout.size, np.bool_)
    for row in rows:
        if row.class_id == 0 or not row.runs.strip():
            continue
        try:
            mask = rle.decode(row.runs, *layout.size)
        except rle.RunLengthError as error:
            raise UserError(f"{path}, line {row.line}: {image}: {error}") from None
        if (covered & mask).any():
            raise UserError(f"{path}, line {row.line}: {image}: expected masks that do not overlap, found some that do")
        covered |= mask
        counts["masks"] += 1
        counts[f"class_{row.class_id}"] += 1
    counts["images"] += 1
