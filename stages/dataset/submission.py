"""`submission.csv`: written in the competition's form, and checked by reading it back.

`stages.dataset.layout.SubmissionForm` says which rows there are. Severstal's own sample has two forms, which are told
apart by their columns. `ImageId_ClassId,EncodedPixels`: one row per image and class, empty if there is no mask.
`ImageId,EncodedPixels,ClassId`: one row per predicted mask; an image without any keeps its filler row, with class 0.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from stages.dataset import label_maps, rle, tables
from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.pipeline import outputs
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError

Rows = Literal["classes", "masks", "images", "components"]


@dataclass(frozen=True)
class Template:
    """What the sample submission asks for.

    Attributes:
        layout: of the competition.
        header: the sample's columns, in its order.
        images: ids of its images, in its order; none if the sample holds only its header.
        rows: the rows of each image: ClassId and run lengths.
        kind: one row per image and class, per predicted mask, per image, or per connected component.
    """

    layout: Layout
    header: list[str]
    images: list[str]
    rows: list[list[tuple[int, str]]]
    kind: Rows

    def of_form(self, form: str) -> "Template":
        """The same, or for "pairs" the two-column form of Severstal, whatever the sample's."""
        if form == "pairs" and self.kind == "masks":
            return Template(self.layout, list(tables.PAIRS), self.images, [[] for _ in self.images], "classes")
        return self


def template(path: Path, layout: Layout) -> Template:
    """Read the sample submission.

    Raises:
        UserError: the file is unreadable or has no rows (unless test images are hidden), the rows of an image do not
            follow one another, or an image lacks a row for a class.
    """
    places = tables.header(path, layout, sent=True)
    kind = _kind(layout, places)
    images, rows = [], []
    for image, group in groupby(tables.read(path, layout, filler=True, sent=True), key=lambda row: row.image):
        images.append(image)
        rows.append([(row.class_id, row.runs) for row in group])
    if not images and not layout.files.hidden_test:
        raise UserError(
            f"{path}: expected a row for every test image, found none (a sample that holds only its header needs "
            "competition.files.hidden_test: true)"
        )
    if len(set(images)) != len(images):
        seen: set[str] = set()
        twice = next(image for image in images if image in seen or seen.add(image))  # type: ignore[func-returns-value]
        raise UserError(f"{path}: expected the rows of one image one after the other, found {twice} in two places")
    found = Template(layout, places.header, images, rows, kind)
    _check_rows(path, found)
    _check_sizes(path, found)
    return found


def of_itself(path: Path, layout: Layout) -> Template:
    """A template with the columns of a submission, and without images."""
    places = tables.header(path, layout, sent=True)
    return Template(layout, places.header, [], [], _kind(layout, places))


def is_empty(runs: str, layout: Layout) -> bool:
    """Whether a row of a submission holds no mask."""
    return rle.is_empty(runs, layout.run_lengths) or runs == layout.submission.empty


def _kind(layout: Layout, places: tables.Places) -> Rows:
    if layout.submission.rows == "sample":
        if places.both is None and places.class_id is None:
            return "images"
        return "classes" if places.pairs else "masks"
    return layout.submission.rows


def _check_rows(path: Path, sample: Template) -> None:
    for image, own in zip(sample.images, sample.rows, strict=True):
        found = [class_id for class_id, _ in own]
        if sample.kind == "masks" and found[0] != 0:  # it would be submitted as a mask of every image without one
            raise UserError(f"{path}: {image}: expected a filler row of class 0, found class {found[0]}")
        if sample.kind == "classes" and sorted(found) != list(sample.layout.class_ids):
            raise UserError(
                f"{path}: {image}: expected a row for each of the classes {', '.join(sample.layout.labels)} "
                f"(competition.classes in params.yaml), found {_labels(found, sample.layout)}"
            )
        if sample.kind == "images" and len(found) > 1:
            raise UserError(
                f"{path}: {image}: expected one row (competition.submission.rows: images), found {len(found)}"
            )


def _check_sizes(path: Path, sample: Template) -> None:
    """The sample's own runs, such as a filler over the whole image, must fit into the size at which masks are sent."""
    layout = sample.layout
    if layout.images.sizes != "equal" and layout.submission.height is None:
        return  # the size of each image would have to be known
    size = layout.scored_size(layout.size)
    for image, own in zip(sample.images, sample.rows, strict=True):
        for _, runs in own:
            try:
                if not is_empty(runs, layout):
                    rle.parse(runs, *size, layout.run_lengths)
            except rle.RunLengthError as error:
                raise UserError(
                    f"{path}: {image}: expected masks of {size[0]}×{size[1]} pixels (height×width; "
                    "competition.image_height, image_width, or competition.submission.height, width), found a row "
                    f"that does not fit: {error}"
                ) from None


def _labels(class_ids: list[int], layout: Layout) -> str:
    return ", ".join(layout.labels[class_id - 1] if class_id else "0" for class_id in class_ids) or "none"


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
                cells = _cells(image, class_id, runs, wanted.layout)
                yield [cells[column] for column in wanted.header]

    outputs.write_table(path, wanted.header, lines())


def _cells(image: str, class_id: int, runs: str, layout: Layout) -> dict[str | None, str]:
    columns, label = layout.columns, layout.labels[class_id - 1] if class_id else "0"
    return {
        columns.image_and_class: f"{image}_{label}",
        columns.class_id: label,
        columns.image: image,
        columns.sent_runs.strip(" "): runs or layout.submission.empty,
    }


def _rows(labels: UInt8, rows: list[tuple[int, str]], sample: Template) -> list[tuple[int, str]]:
    """ClassId and run lengths of each row of an image."""
    layout = sample.layout

    def encoded(mask: UInt8 | np.ndarray) -> str:
        return rle.encode(mask, layout.run_lengths)

    if sample.kind == "images":
        return [(0, encoded(label_maps.anything(labels)))]
    order = [class_id for class_id, _ in rows if class_id] or list(layout.class_ids)
    if sample.kind == "masks":
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
    covered = np.zeros(size, np.bool_)
    for row in rows:
        if row.class_id == 0 or is_empty(row.runs, layout):
            continue
        try:
            mask = rle.decode(row.runs, *size, layout.run_lengths)
        except rle.RunLengthError as error:
            raise UserError(f"{path}, line {row.line}: {image}: {error}") from None
        if (covered & mask).any() and not layout.overlapping:
            raise UserError(f"{path}, line {row.line}: {image}: expected masks that do not overlap, found some that do")
        covered |= mask
        counts["masks"] += 1
        counts[f"class_{row.class_id}"] += 1
    counts["images"] += 1
