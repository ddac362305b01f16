"""The section `competition` of params.yaml; `stages.dataset.layout` says what its keys mean."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from stages.pipeline.limits import not_stored
from stages.pipeline.sections import Flag, Name, Number, Section, Side, Text, whole


def _without_spaces(name: object) -> object:
    """Spaces around a column's name do not count, in params.yaml or in a table."""
    return name.strip(" ") if isinstance(name, str) else name


Column = Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_without_spaces)]
MOST_OVERLAPPING = 8  # a label map holds one bit for each class then
IMAGE_SUFFIX = re.compile(r"\.\w+$")


class FilesSection(Section):
    """Where the files are."""

    train_images: Text
    test_images: Text
    train_table: Text
    sample_submission: Text
    id_separator: str
    hidden_test: Flag

    @field_validator("train_images", "test_images")
    @classmethod
    def _pattern(cls, text: str) -> str:
        try:
            groups = re.compile(text).groups
        except re.error as error:
            raise ValueError(
                f"expected a regular expression for the paths of images, found {text!r}: {error}"
            ) from None
        if not groups:
            raise ValueError(
                f"expected a regular expression with at least one group (…), which gives the image's id, found {text!r}"
            )
        return text

    @field_validator("train_table", "sample_submission")
    @classmethod
    def _table(cls, text: str) -> str:
        if not text.endswith(".csv") or text.startswith("/") or ".." in text.split("/"):
            raise ValueError(f"expected the path of a .csv inside the archive, found {text!r}")
        return text

    @model_validator(mode="after")
    def _differ(self) -> "FilesSection":
        if self.train_images == self.test_images:
            raise ValueError(
                f"train_images and test_images: expected different patterns, found {self.train_images!r} twice"
            )
        if self.train_table == self.sample_submission:
            raise ValueError(
                f"train_table and sample_submission: expected two tables, found {self.train_table!r} twice"
            )
        return self


class ColumnsSection(Section):
    """Columns of the tables."""

    image: Column
    class_id: Column | None
    image_and_class: Column | None
    runs: Column
    submission_runs: Column | None
    class_labels: Annotated[tuple[str | int, ...], Field(min_length=1)] | None
    instances: Flag

    @field_validator("class_labels", mode="before")
    @classmethod
    def _whole_numbers(cls, labels: object) -> object:
        given = labels if isinstance(labels, list | tuple) else ()
        wrong = [label for label in given if isinstance(label, bool | float)]
        if wrong:  # true would become 1
            raise ValueError(f"class_labels: expected texts in quotes or whole numbers, found {wrong}")
        return labels

    @field_validator("class_labels", mode="after")
    @classmethod
    def _texts(cls, labels: tuple[str | int, ...] | None) -> tuple[str, ...] | None:
        return None if labels is None else tuple(map(str, labels))

    @model_validator(mode="after")
    def _different(self) -> "ColumnsSection":
        named = [name for name in (self.image, self.class_id, self.image_and_class, self.runs) if name is not None]
        if len(set(named)) != len(named):
            raise ValueError(f"expected a different column for each key, found {named}")
        if self.submission_runs in (self.image, self.class_id, self.image_and_class) and self.submission_runs:
            raise ValueError(f"submission_runs: expected a column of its own, found {self.submission_runs!r} twice")
        if self.class_labels is not None and len(set(self.class_labels)) != len(self.class_labels):
            raise ValueError(f"class_labels: expected different texts, found {list(self.class_labels)}")
        return self


class RunLengthsSection(Section):
    """How masks are written."""

    order: Literal["columns", "rows"]
    first_pixel: Literal[0, 1, "relative"]
    empty: tuple[str, ...]

    @field_validator("first_pixel", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        return value if isinstance(value, str) else whole(value)

    @field_validator("empty", mode="before")
    @classmethod
    def _texts(cls, markers: object) -> object:
        if isinstance(markers, list | tuple) and not all(isinstance(marker, str) for marker in markers):
            raise ValueError(f'expected texts in quotes, such as "-1", found {list(markers)}')
        return markers


class ImagesSection(Section):
    """How images are stored, and how networks see them."""

    sizes: Literal["equal", "resized", "padded", "tiled"]
    channels: Annotated[Literal[1, 3], BeforeValidator(whole)]
    grey_from_colour: Flag
    levels: tuple[Annotated[int, Field(strict=True, ge=-(2**15))], Annotated[int, Field(strict=True, lt=2**16)]] | None

    @model_validator(mode="after")
    def _fit(self) -> "ImagesSection":
        if self.grey_from_colour and self.channels == 3:
            raise ValueError("grey_from_colour: expected false with channels: 3, found true")
        if self.levels is not None and self.levels[0] >= self.levels[1]:
            raise ValueError(
                f"levels: expected the value of black, then a larger one of white, found {list(self.levels)}"
            )
        return self


class SubmissionFormSection(Section):
    """What is sent."""

    rows: Literal["sample", "classes", "images", "components"]
    height: Side | None
    width: Side | None
    empty: str

    @model_validator(mode="after")
    def _both(self) -> "SubmissionFormSection":
        if (self.height is None) != (self.width is None):
            raise ValueError(f"height and width: expected both or neither, found {self.height} and {self.width}")
        return self


class MetricSection(Section):
    """By what a submission is scored."""

    name: Literal["mean_dice", "global_dice", "iou_thresholds"]
    empty_pair: Annotated[Number, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _used(self) -> "MetricSection":
        if self.name == "global_dice" and self.empty_pair != 1:
            raise ValueError(f"empty_pair: expected 1 with global_dice, which has no pairs, found {self.empty_pair}")
        return self


class Competition(Section):
    """What the competition prescribes."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    image_height: Side
    image_width: Side
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=254)]
    overlapping_classes: Flag
    files: FilesSection
    columns: ColumnsSection
    run_lengths: RunLengthsSection
    images: ImagesSection
    submission: SubmissionFormSection
    metric: MetricSection

    @model_validator(mode="after")
    def _distinct(self) -> "Competition":
        if len({name.casefold() for name in self.classes}) != len(self.classes):
            raise ValueError(f"classes: expected different names (upper case or not), found {list(self.classes)}")
        if "background" in self.classes:
            raise ValueError("classes: 'background' is the name for pixels without a class; choose another")
        reason = not_stored((self.image_height, self.image_width), len(self.classes))
        if reason is not None:
            raise ValueError(f"image_height, image_width, classes: {reason}")
        if self.overlapping_classes and len(self.classes) > MOST_OVERLAPPING:
            raise ValueError(
                f"overlapping_classes: expected at most {MOST_OVERLAPPING} classes, found {len(self.classes)}"
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "Competition":
        labels, columns = self.columns.class_labels, self.columns
        if labels is not None and len(labels) != len(self.classes):
            raise ValueError(
                f"columns: class_labels: expected {len(self.classes)} texts, one for each of "
                f"{', '.join(self.classes)}; found {list(labels)}"
            )
        if columns.class_id is None and columns.image_and_class is None and len(self.classes) > 1:
            raise ValueError(
                f"columns: expected a column for the class (class_id or image_and_class) for {len(self.classes)} "
                "classes, found null for both"
            )
        if self.submission.rows == "classes" and columns.class_id is None and columns.image_and_class is None:
            raise ValueError("submission: rows: classes needs a column for the class; expected images or components")
        if self.metric.name == "iou_thresholds" and len(self.classes) > 1:
            raise ValueError(
                f"metric: iou_thresholds is defined for a single class; found {len(self.classes)}: {list(self.classes)}"
            )
        return self
