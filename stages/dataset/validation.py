"""Training data checked before anything is trained on it: files that belong together, and every row of the table."""

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stages.dataset import images, rle, sample_submission, tables
from stages.dataset.image_names import ImageNames
from stages.dataset.layout import Layout
from stages.pipeline import paths
from stages.pipeline.cli import UserError

SHOWN = 10  # faults reported one by one

HOW_TO_CORRECT = (
    "correct it in the source (download.source in params.yaml), then run dvc repro --force download, which reads the "
    f"source again; changes in {paths.RAW} itself are overwritten"
)


class SpaceError(UserError):
    """There is too little space on a disk."""


class Faults:
    """Collects what is wrong, to report all of it at once.

    Attributes:
        shown: the first faults, in full.
        count: how many there are in all.
    """

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.count = 0

    def add(self, message: str) -> None:
        """Add one fault; only the first few messages are kept."""
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(message)

    def extend(self, later: "Faults") -> None:
        """Append the faults that another object has collected."""
        self.count += later.count
        self.shown = [*self.shown, *later.shown][:SHOWN]

    def raise_if_any(self) -> None:
        """Raise a `UserError` that lists the faults, if there are any."""
        if self.count:
            more = [f"… and {self.count - SHOWN} more"] if self.count > SHOWN else []
            raise UserError("\n  ".join([f"the data has {self.count} fault(s):", *self.shown, *more]))


@contextmanager
def explaining_how_to_correct() -> Iterator[None]:
    """Add to every `UserError` of the block how to correct faults in data/raw, which the next download overwrites.

    Errors that are no faults of the data (`SpaceError`) pass as they are.
    """
    try:
        yield
    except SpaceError:
        raise
    except UserError as error:
        choice = "if the data is right, change params.yaml; otherwise\n  " if "competition." in str(error) else ""
        raise UserError(f"{error}\n  {choice}{HOW_TO_CORRECT}") from None


def training_images(layout: Layout, folds: int) -> list[str]:
    """Names of the training images, sorted, after a look at whether all files of the competition are there.

    Raises:
        UserError: a part of the competition's layout is missing, there are fewer images than folds, or the sample
            submission does not fit the test images.
    """
    for needed in (paths.TRAIN_TABLE, paths.TRAIN_IMAGES, paths.TEST_IMAGES, paths.SAMPLE_SUBMISSION):
        if not needed.exists():
            raise UserError(
                f"{needed}: expected the whole layout of the competition (train_images, test_images, train.csv, "
                "sample_submission.csv), found nothing there. A lone train.csv can only be explored (dvc repro "
                "explore): set download.source in params.yaml to an archive or a folder with all four"
            )
    names = images.listing(paths.TRAIN_IMAGES)
    if len(names) < folds:
        raise UserError(
            f"{paths.TRAIN_IMAGES}: expected at least as many images as preprocess.folds = {folds}, "
            f"found {len(names)} whose names end in {', '.join(images.SUFFIXES)}"
        )
    sample = sample_submission.read(paths.SAMPLE_SUBMISSION, layout)  # checked here, long before predict needs it
    test_files(sample.images)
    return names


def test_files(wanted: Sequence[str]) -> list[Path]:
    """The files of the test images with these ids.

    Raises:
        UserError: an image is missing, or two ids are one image.
    """
    present = ImageNames(images.listing(paths.TEST_IMAGES))
    found = [present.file(image) for image in wanted]
    missing = [image for image, file in zip(wanted, found, strict=True) if file is None]
    if missing:
        raise UserError(
            f"{paths.SAMPLE_SUBMISSION}: expected images of {paths.TEST_IMAGES}, found {len(missing)} of "
            f"{len(wanted)} that are not there, such as {missing[0]}{similar_name(missing[0], present.files)}"
        )
    ids: dict[str | None, str] = {}
    for image, file in zip(wanted, found, strict=True):
        if ids.setdefault(file, image) != image:
            raise UserError(
                f"{paths.SAMPLE_SUBMISSION}: expected one id for each image, found {ids[file]} and {image} for {file}"
            )
    return [paths.TEST_IMAGES / file for file in found if file is not None]


@dataclass
class Rows:
    """Which images a training table names.

    Attributes:
        listed: files of the images that have a row, with a mask or without one.
        empty: rows without a mask.
    """

    listed: set[str] = field(default_factory=set)
    empty: int = 0

    def note(self, images: int) -> str | None:
        """What to say about images without a row, which count as clean; None if all have one."""
        missing = images - len(self.listed)
        if not missing:
            return None
        note = f"{missing} of {images} images have no row in {paths.TRAIN_TABLE} and count as clean"
        if self.empty:
            note += (
                f", although {self.empty} of its rows have an empty mask: is it cut off, or are these pictures of "
                "another kind (competition.files.train_images)?"
            )
        return note


def masks(
    table: Path, names: ImageNames, layout: Layout, faults: Faults, rows: Rows | None = None
) -> Iterator[tables.Row]:
    """Read the masks of a training table and check which image and class each belongs to.

    Args:
        table: the training table.
        names: the image files that there are.
        layout: how the table is written.
        faults: receives the masks of an image that is not there, and the second row of an image and class, unless the
            table has a row for each object.
        rows: receives which images have a row.

    Yields:
        Every other row that holds a mask, with the name of the image's file. Its run lengths are not checked yet.
    """
    seen: dict[tuple[str, int], int] = {}  # only of images that are there, so that any table fits into memory
    for row in tables.read(table, layout):
        where = f"{table}, line {row.line}"
        file = names.file(row.image)
        if file is None:
            hint = similar_name(row.image, names.files) if faults.count < SHOWN else ""
            faults.add(f"{where}: expected an image in {table.parent}/train_images, found no {row.image}{hint}")
            continue
        empty = rle.is_empty(row.runs, layout.run_lengths)
        if rows is not None:
            rows.listed.add(file)
            rows.empty += empty
        first = row.line if layout.columns.instances else seen.setdefault((file, row.class_id), row.line)
        if first != row.line:
            faults.add(
                f"{where}: expected one row for {row.image} and class {row.class_id}, found another on line {first} "
                "(a table with a row for each object needs competition.columns.instances: true)"
            )
        elif not empty:
            yield row._replace(image=file)


def similar_name(image: str, names: Collection[str]) -> str:
    """The end of a message about a missing image: an existing name that differs only in what is easily overlooked."""

    def plain(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()

    found = next((name for name in names if plain(name) == plain(image)), None)
    if found is None:
        return ""
    if unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", image):
        return f" but one that looks the same in another Unicode form (NFC, NFD): {found!a} for {image!a}"
    return f" but {found}"
