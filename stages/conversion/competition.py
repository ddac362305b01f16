"""Writes one's own images and labels in the form of a competition, and the recipe that reads it."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TextIO, cast

from stages.conversion import image_files
from stages.conversion.labels import LabelledImage
from stages.conversion.measures import Measures, joined
from stages.dataset import rle
from stages.dataset.tables import MASKS, PAIRS
from stages.pipeline import outputs, parallel
from stages.pipeline.competition_settings import MOST_OVERLAPPING
from stages.pipeline.progress import bar

LAYOUT = ("train_images", "test_images", "train.csv", "sample_submission.csv")
Open = Callable[[str], IO[bytes]]


def write(
    output: Path, train: Sequence[LabelledImage], test: Sequence[LabelledImage], classes: int, masks: Path | None
) -> None:
    """Write the competition, as a zip if `output` ends in .zip, else as a folder; the same input gives the same bytes.

    Args:
        output: replaced if it exists.
        train, test: images and labels; the labels of `test` are left out.
        classes: how many there are.
        masks: where to write the true masks of `test`, one row per image and class; None to leave them out.
    """
    with _target(output) as entry:
        for folder, found in zip(LAYOUT, (train, test), strict=False):
            work = zip(found, parallel.in_order(lambda one: one.image.read_bytes(), found), strict=True)
            for one, raw in bar(work, f"convert: {folder}", len(found)):
                with entry(f"{folder}/{one.name}") as stream:
                    stream.write(raw)
        rows = bar(_rows(train), "convert: masks", unit="masks")
        _table(entry("train.csv"), MASKS, rows)
        class_ids = range(1, classes + 1)
        empty = ((f"{one.name}_{class_id}", "") for one in test for class_id in class_ids)
        _table(entry("sample_submission.csv"), PAIRS, empty)
        if masks:
            outputs.write_table(masks, PAIRS, _all_pairs(test, class_ids), for_competition=True)


def _rows(found: Sequence[LabelledImage]) -> Iterator[tuple[str, int, str]]:
    """Name, ClassId and run lengths of every mask."""

    def read(one: LabelledImage) -> list[tuple[str, int, str]]:
        if one.label is None:
            return []
        kind = image_files.kind(one.image)
        masks = joined(one.masks(kind), kind.size)
        return [(one.name, class_id, rle.encode(mask)) for class_id, mask in masks.items() if mask.any()]

    for rows in parallel.in_order(read, found):
        yield from rows


def _all_pairs(found: Sequence[LabelledImage], class_ids: range) -> Iterator[tuple[str, str]]:
    runs = {(name, class_id): text for name, class_id, text in _rows(found)}
    for one in found:
        for class_id in class_ids:
            yield f"{one.name}_{class_id}", runs.get((one.name, class_id), "")


@contextmanager
def _target(output: Path) -> Iterator[Open]:
    """Yield a function that opens an entry of the output for writing, one at a time."""
    if output.suffix.lower() == ".zip":
        # The binary stream below the text stream: a zip must not have its line ends changed.
        with outputs.file(output) as stream, zipfile.ZipFile(cast(TextIO, stream).buffer, "w") as archive:
            yield lambda name: archive.open(_entry(name), "w")
    else:
        with outputs.folder(output) as folder:
            for name in LAYOUT[:2]:
                (folder / name).mkdir()
            yield lambda name: (folder / name).open("wb")


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry with a fixed date, stored uncompressed because images are compressed already."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Unix, on every system
    return entry


def _table(stream: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def recipe(output: Path, names: Sequence[str], measured: Measures, working_size: tuple[int, int]) -> dict[str, Any]:
    """The fragment of params.yaml that reads what `write` has written.

    Args:
        output: what was written.
        names: of the classes.
        measured: all images, those for testing included.
        working_size: height and width at which networks see them.
    """
    height, width = working_size
    overlapping = keeps_overlaps(measured, len(names))
    shown: dict[str, Any] = {"sizes": "equal" if measured.equal else "resized"}
    shown["channels"] = 3 if measured.coloured.any() else 1
    if measured.levels:
        shown["levels"] = list(measured.levels)
    competition = {"image_height": height, "image_width": width, "classes": list(names)}
    fragment: dict[str, Any] = {
        "download": {"source": str(output.absolute())},
        "competition": competition | {"overlapping_classes": overlapping, "images": shown},
    }
    return fragment | ({"train": {"loss": "bce_dice"}} if overlapping else {})


def keeps_overlaps(measured: Measures, classes: int) -> bool:
    """Whether the recipe lets a pixel belong to several classes: if any does, and there are not too many classes."""
    return bool(measured.claimed_twice.any()) and classes <= MOST_OVERLAPPING
