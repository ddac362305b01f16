"""The competition's `sample_submission.csv`: which rows a submission has, and in which form.

`stages.dataset.layout.SubmissionForm` says which rows there are. Severstal's own sample has two forms, which are told
apart by their columns. `ImageId_ClassId,EncodedPixels`: one row per image and class, empty if there is no mask.
`ImageId,EncodedPixels,ClassId`: one row per predicted mask; an image without any keeps its filler row, with class 0.
"""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from stages.dataset import rle, tables
from stages.dataset.layout import Layout
from stages.pipeline.cli import UserError

Rows = Literal["classes", "masks", "images", "components"]
NAMELESS = ("images", "components")  # rows that name no class


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
        """The same, or for "pairs" the two-column form of Severstal, whatever the sample's.

        Raises:
            UserError: the layout has no column for image and class, or rows that name no class.
        """
        columns, rows = self.layout.columns, self.layout.submission.rows
        if form != "pairs":
            return self
        if columns.image_and_class is None or rows in NAMELESS:
            raise UserError(
                "params.yaml: predict: form: pairs needs competition.columns.image_and_class, the column that holds "
                "image and class, and competition.submission.rows: sample or classes; found "
                f"{columns.image_and_class or 'null'} and {rows}"
            )
        if columns.image_and_class.strip(" ") in self.header:
            return self
        header = [columns.image_and_class.strip(" "), columns.sent_runs.strip(" ")]
        return Template(self.layout, header, self.images, [[] for _ in self.images], "classes")


def read(path: Path, layout: Layout) -> Template:
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
    if not images and kind == "masks" and layout.files.hidden_test:
        raise UserError(
            f"{path}: expected a filler row of class 0 for every test image, found none: an image without a mask would "
            "have no row (competition.submission.rows: classes or images, or a column image_and_class, needs no filler)"
        )
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
    _check_columns(path, found)
    _check_rows(path, found)
    _check_sizes(path, found)
    return found


def of_itself(path: Path, layout: Layout) -> Template:
    """A template with the columns of a submission, and without images."""
    places = tables.header(path, layout, sent=True)
    return Template(layout, places.header, [], [], _kind(layout, places))


def is_empty(runs: str, layout: Layout) -> bool:
    """Whether a row of a submission holds no mask."""
    return rle.is_empty(runs, layout.run_lengths, layout.submission.empty)


def _kind(layout: Layout, places: tables.Places) -> Rows:
    if layout.submission.rows == "sample":
        if places.both is None and places.class_id is None:
            return "images"
        return "classes" if places.pairs else "masks"
    return layout.submission.rows


def _check_columns(path: Path, sample: Template) -> None:
    """What a column holds must be known, or a submission could not fill it in."""
    layout, columns = sample.layout, sample.layout.columns
    known = [name for name in cells("", 0, "", layout) if name is not None]
    if sample.kind in NAMELESS and layout.number_of_classes > 1:
        known = [columns.image.strip(" "), columns.sent_runs.strip(" ")]
    unknown = [name for name in sample.header if name not in known]
    if unknown:
        rows = layout.submission.rows
        why = f" (competition.submission.rows: {rows} names no class)" if rows in NAMELESS else ""
        raise UserError(
            f"{path}, line 1: expected no columns but {', '.join(known)} (competition.columns in params.yaml), found "
            f"{', '.join(unknown)}: what a submission has there is not known{why}"
        )


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


def cells(image: str, class_id: int, runs: str, layout: Layout) -> dict[str | None, str]:
    """What a row holds, by the name of the column without spaces; a class without number gets "0"."""
    columns, label = layout.columns, layout.labels[class_id - 1] if class_id else "0"
    named = {
        columns.image_and_class: f"{image}_{label}",
        columns.class_id: label,
        columns.image: image,
        columns.sent_runs: runs or layout.submission.empty,
    }
    return {name if name is None else name.strip(" "): cell for name, cell in named.items()}
