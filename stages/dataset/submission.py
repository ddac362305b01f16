"""`submission.csv`: written in the competition's form, and checked by reading it back."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from stages.dataset import label_maps, rle, tables
from stages.dataset.images import Size
from stages.dataset.sample_submission import Template, cells, is_empty
from stages.pipeline import outputs
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError


def write(path: Path, sample: Template, label_maps: Iterable[UInt8], form: str) -> None:
    """Write a submission.

    Args:
        path: the file to write.
        sample: what the competition asks for.
        label_maps: a label map or planes (see `stages.dataset.label_maps`) for each of `sample.images`, in that order,
            at the size at which the competition scores.
        form: "sample" for the rows of the sample, "pairs" for Severstal's two-column form.
    """
    wanted = sample.of_form(form)

    def lines() -> Iterator[list[str]]:
        for image, rows, labels in zip(wanted.images, wanted.rows, label_maps, strict=True):
            for class_id, runs in _rows(labels, rows, wanted):
                row = cells(image, class_id, runs, wanted.layout)
                yield [row[column] for column in wanted.header]

    outputs.write_table(path, wanted.header, lines(), for_competition=True)


def _rows(labels: UInt8, rows: list[tuple[int, str]], sample: Template) -> list[tuple[int, str]]:
    """ClassId and run lengths of each row of an image."""
    layout = sample.layout
    if not label_maps.are_planes(labels) and layout.run_lengths.order == "columns":
        labels = np.asarray(cv2.transpose(labels), np.uint8).T  # once for all classes: column by column in memory

    def encoded(mask: UInt8 | np.ndarray) -> str:
        return rle.encode(mask, layout.run_lengths) if mask.any() else ""  # most classes are not in an image

    if sample.kind == "images":
        return [(1, encoded(label_maps.anything(labels)))]  # a column for the class is there only if there is one class
    order = [class_id for class_id, _ in rows if class_id] or list(layout.class_ids)
    if sample.kind in ("masks", "components"):
        order = list(layout.class_ids)
    masks = [(class_id, label_maps.of_class(labels, class_id)) for class_id in order]
    if sample.kind == "components":
        return [(class_id, encoded(part)) for class_id, mask in masks for part in _components(mask)] or [(1, "")]
    found = [(class_id, encoded(mask)) for class_id, mask in masks]
    if sample.kind == "masks":  # only the predicted masks, or the sample's filler
        return [(class_id, runs) for class_id, runs in found if runs] or rows[:1]
    return found


def _components(mask: np.ndarray) -> Iterator[np.ndarray]:
    count, components = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    for number in range(1, count):
        yield components == number


def check(path: Path, sample: Template, form: str, size_of: Callable[[str], Size] | None = None) -> dict[str, int]:
    """Read a submission back and compare it with the sample.

    Args:
        path: the submission.
        sample: what the competition asks for.
        form: as for `write`.
        size_of: height and width at which an image is scored, by its id; None: one size for all.

    Returns:
        Counts: `images`, `masks` (rows that are not empty), and those of each class as `class_1`, ….

    Raises:
        UserError: wrong columns, images that are missing or in another order, a class of an image that is missing or
            occurs twice, invalid run lengths, or masks of one image that overlap though classes do not.
    """
    wanted = sample.of_form(form)
    layout = wanted.layout
    found = tables.header(path, layout, sent=True).header
    if found != wanted.header:
        raise UserError(f"{path}, line 1: expected {','.join(wanted.header)}, found {','.join(found)}")
    counts = {"images": 0, "masks": 0, **{f"class_{k}": 0 for k in layout.class_ids}}
    rows = tables.read(path, layout, filler=wanted.kind == "masks", sent=True)
    for position, (image, group) in enumerate(groupby(rows, key=lambda row: row.image)):
        if position >= len(wanted.images) or image != wanted.images[position]:
            due = wanted.images[position] if position < len(wanted.images) else "the end of the file"
            raise UserError(f"{path}: expected {due} as image {position + 1}, as in the sample, found {image}")
        size = layout.scored_size(layout.size) if size_of is None else size_of(image)
        _check_image(path, list(group), wanted, size, counts)
    if counts["images"] != len(wanted.images):
        raise UserError(f"{path}: expected {len(wanted.images)} images, as in the sample, found {counts['images']}")
    return counts


def _check_image(path: Path, rows: list[tables.Row], sample: Template, size: Size, counts: dict[str, int]) -> None:
    numbers, image, layout = [row.class_id for row in rows], rows[0].image, sample.layout
    complete = sample.kind != "classes" or sorted(numbers) == list(layout.class_ids)
    once = sample.kind == "components" or len(set(numbers)) == len(numbers)
    if not complete or not once or (0 in numbers and len(rows) > 1):
        raise UserError(f"{path}: {image}: expected each class once, found classes {numbers}")
    covered: list[rle.Runs] = []
    for row in rows:
        if row.class_id == 0 or is_empty(row.runs, layout):
            continue
        try:
            covered.append(rle.parse(row.runs, *size, layout.run_lengths))
        except rle.RunLengthError as error:
            raise UserError(f"{path}, line {row.line}: {image}: {error}") from None
        if not layout.overlapping and rle.overlap(covered):
            raise UserError(f"{path}, line {row.line}: {image}: expected masks that do not overlap, found some that do")
        counts["masks"] += 1
        counts[f"class_{row.class_id}"] += 1
    counts["images"] += 1
