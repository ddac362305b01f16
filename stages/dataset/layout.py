"""What a competition or a data set fixes, as data: where its files are, how its tables, masks and images are written.

`params.yaml` states it under `competition:`, a recipe fills it in, and every reader and writer takes it as one object.
Behind the readers there is one representation (see `stages.dataset.prepared`): the rest of the pipeline never asks
which competition it is.

These are plain dataclasses, because the notebook on Kaggle has no pydantic; `stages.pipeline.competition_settings`
checks values.
The defaults are those of Severstal: Steel Defect Detection.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Order = Literal["columns", "rows"]
FirstPixel = Literal[0, 1, "relative"]
Sizes = Literal["equal", "resized", "padded", "tiled"]
SubmissionRows = Literal["sample", "classes", "images", "components"]
MetricName = Literal["mean_dice", "global_dice", "iou_thresholds"]


class HasLayout(Protocol):
    """What `Layout.of` reads: the section `competition` of params.yaml."""

    def model_dump(self) -> dict[str, Any]:
        """Its keys and values."""


@dataclass(frozen=True)
class Files:
    """Where the files are, relative to the folder of the training table.

    Attributes:
        train_images, test_images: regular expressions that match the whole path of an image; their groups, joined by
            `id_separator`, are the image's id. An id is used with or without the file's extension.
        train_table, sample_submission: paths of the tables.
        id_separator: between the groups of an id.
        hidden_test: whether the test images and the rows of the sample exist only where the notebook runs.
    """

    train_images: str = "train_images/([^/]+)"
    test_images: str = "test_images/([^/]+)"
    train_table: str = "train.csv"
    sample_submission: str = "sample_submission.csv"
    id_separator: str = "_"
    hidden_test: bool = False


@dataclass(frozen=True)
class Columns:
    """Columns of the tables.

    Attributes:
        image: holds the id of the image.
        class_id: holds the class; None: there is a single class, and no column for it.
        image_and_class: holds both, as IMAGE_CLASS; None: no such column. A table that has it needs no other.
        runs: holds the run lengths.
        submission_runs: holds them in the sample submission; None: the same column as in the training table.
        class_labels: how the classes are written, in the order of the classes; None: 1, 2, 3, ….
        instances: whether several rows may have the same image and class: their masks are joined.
    """

    image: str = "ImageId"
    class_id: str | None = "ClassId"
    image_and_class: str | None = "ImageId_ClassId"
    runs: str = "EncodedPixels"
    submission_runs: str | None = None
    class_labels: tuple[str, ...] | None = None
    instances: bool = False

    @property
    def sent_runs(self) -> str:
        """The column of run lengths in a submission."""
        return self.submission_runs or self.runs


@dataclass(frozen=True)
class RunLengths:
    """How masks are written.

    Attributes:
        order: pixels are counted column by column (top to bottom, then left to right) or row by row.
        first_pixel: number of the first pixel; "relative": each start is counted from the end of the run before, the
            first from 0.
        empty: texts that stand for an empty mask, besides an empty field.
    """

    order: Order = "columns"
    first_pixel: FirstPixel = 1
    empty: tuple[str, ...] = ()


@dataclass(frozen=True)
class Images:
    """How images are stored, and how networks see them.

    Attributes:
        sizes: equal: all images have image_height × image_width pixels. resized: any size; networks see them resized to
            image_height × image_width. padded: any size up to that; smaller images are filled up by mirroring.
            tiled: any size; networks see tiles of image_height × image_width (see `stages.dataset.tiles`).
        channels: 1 for grey levels, 3 for colour.
        grey_from_colour: whether colour images may be turned to grey; only with one channel.
        levels: the values that become black (0) and white (255), for images of more than 8 bits; None: 8 bits.
    """

    sizes: Sizes = "equal"
    channels: Literal[1, 3] = 1
    grey_from_colour: bool = False
    levels: tuple[int, int] | None = None


@dataclass(frozen=True)
class SubmissionForm:
    """What is sent.

    Attributes:
        rows: sample: as Severstal's sample, one row per image and class if one column holds both, else one row per
            mask, and the sample's own row for an image without any. classes: one row per image and class. images: one
            row per image, the masks of its classes joined. components: one row per connected component of a mask, an
            empty one for an image without any.
        height, width: of the masks that are sent and scored; None: those of the image.
        empty: what an empty mask looks like.
    """

    rows: SubmissionRows = "sample"
    height: int | None = None
    width: int | None = None
    empty: str = ""


@dataclass(frozen=True)
class Metric:
    """By what a submission is scored.

    Attributes:
        name: see `stages.scoring.metric`.
        empty_pair: the score of an image and class whose true and predicted masks are both empty.
        joined: whether the masks of all classes are joined before they are scored, because rows name no class. It
            follows from the submission's form.
    """

    name: MetricName = "mean_dice"
    empty_pair: float = 1.0
    joined: bool = False


@dataclass(frozen=True)
class Layout:
    """Everything that a competition fixes.

    Attributes:
        classes: their names, in the order of `Columns.class_labels`. Inside, a ClassId counts from 1.
        height, width: size in pixels at which networks see images (see `Images.sizes`).
        overlapping: whether a pixel may belong to several classes.

        >>> Layout(("pit", "line"), 256, 1600).size
        (256, 1600)
    """

    classes: tuple[str, ...]
    height: int
    width: int
    overlapping: bool = False
    files: Files = field(default_factory=Files)
    columns: Columns = field(default_factory=Columns)
    run_lengths: RunLengths = field(default_factory=RunLengths)
    images: Images = field(default_factory=Images)
    submission: SubmissionForm = field(default_factory=SubmissionForm)
    metric: Metric = field(default_factory=Metric)

    @classmethod
    def of(cls, competition: HasLayout) -> "Layout":
        """The layout that params.yaml states under `competition:`."""
        stated = competition.model_dump()
        del stated["slug"]
        size = {"height": stated.pop("image_height"), "width": stated.pop("image_width")}
        size["overlapping"] = stated.pop("overlapping_classes")
        nameless = stated["submission"]["rows"] in ("images", "components")
        stated["metric"]["joined"] = nameless and len(stated["classes"]) > 1
        return cls.from_json(stated | size)

    @classmethod
    def unnamed(cls, number_of_classes: int, height: int, width: int) -> "Layout":
        """A layout whose classes are called class_1, class_2, …, for code that needs only their number."""
        return cls(tuple(f"class_{number}" for number in range(1, number_of_classes + 1)), height, width)

    def to_json(self) -> dict[str, Any]:
        """Plain types for `json`; `from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Layout":
        """Read what `to_json` returned."""

        def plain(value: Any) -> Any:
            return tuple(value) if isinstance(value, list) else value

        parts = {name: plain(value) for name, value in content.items()}
        for name, kind in SECTIONS.items():
            parts[name] = kind(**{key: plain(value) for key, value in content[name].items()})
        return cls(**parts)

    @property
    def number_of_classes(self) -> int:
        """How many classes there are; a ClassId lies in 1 … number_of_classes."""
        return len(self.classes)

    @property
    def class_ids(self) -> range:
        """1, 2, …, number_of_classes."""
        return range(1, len(self.classes) + 1)

    @property
    def labels(self) -> tuple[str, ...]:
        """How the classes are written in tables, ClassId 1 first."""
        return self.columns.class_labels or tuple(map(str, self.class_ids))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width at which networks see images, in the order of an array's shape."""
        return self.height, self.width

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of an image as networks see it: (height, width), or (height, width, 3)."""
        return self.size if self.images.channels == 1 else (*self.size, self.images.channels)

    @property
    def pixels(self) -> int:
        """Pixels of one image as networks see it."""
        return self.height * self.width

    def scored_size(self, native: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the masks that are sent and scored, for an image of a `native` height and width."""
        return (self.submission.height or native[0], self.submission.width or native[1])

    def __str__(self) -> str:
        return f"{self.height}×{self.width}"


SECTIONS: dict[str, Any] = {
    "files": Files,
    "columns": Columns,
    "run_lengths": RunLengths,
    "images": Images,
    "submission": SubmissionForm,
    "metric": Metric,
}
