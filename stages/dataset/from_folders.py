"""Converts folders of images and drawn labels into the competition's layout.

A label is a picture of the size of its image and with the same name before the dot. It either holds class ids (0
background, else ClassId; in a palette image, the index counts and not the colour), or it is black and white, and the
prefix of its name gives the class.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO, cast

import cv2
import numpy as np
from tqdm import tqdm

from stages.dataset import duplicates, images, rle, tables
from stages.dataset.archive import FOLDERS, TABLES
from stages.dataset.label_images import HIGHEST, RECODED, label_map, size
from stages.dataset.layout import Layout
from stages.dataset.validation import Faults
from stages.pipeline import outputs, parallel
from stages.pipeline.arrays import Float32, Int64, UInt8
from stages.pipeline.cli import UserError

Open = Callable[[str], IO[bytes]]

LAYOUT = (*FOLDERS, *TABLES)
LOSSLESS = (".png", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Pair:
    """One image and its label.

    Attributes:
        image: the file as it was found.
        name: its name in the layout.
        label: None for an image without a defect.
        class_id: the class of a black-and-white label; 0 for a label that holds class ids.
    """

    image: Path
    name: str
    label: Path | None = None
    class_id: int = 0


def listing(folder: Path, suffixes: Sequence[str] = (*images.SUFFIXES, *RECODED)) -> dict[str, Path]:
    """Picture files of a folder by their names before the dot, sorted.

    Raises:
        UserError: there is no such folder, no picture in it, or two with the same name before the dot.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder, found none (seen from {Path.cwd()})")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in suffixes:
            continue
        if not path.name.isprintable():
            raise UserError(f"{folder}: expected file names in UTF-8, found {path.name!r}")
        if path.stem in found:
            raise UserError(
                f"{folder}: expected one file named {path.stem}, found {found[path.stem].name}, {path.name}"
            )
        found[path.stem] = path
    if not found:
        raise UserError(f"{folder}: expected files that end in {', '.join(suffixes)}, found none")
    return found


def layout_name(image: Path) -> str:
    """File name of an image in the layout."""
    return f"{image.stem}.png" if image.suffix.lower() in RECODED else image.name


def pair(photographs: Path, labels: Path, prefixes: Sequence[str], unlabelled_are_clean: bool) -> list[Pair]:
    """Match images and labels by name, sorted by the images' names in the layout.

    Args:
        photographs, labels: folders.
        prefixes: of the names of black-and-white labels, ClassId 1 first. The longest that matches counts, "" matches
            every name. Without prefixes, labels hold class ids.
        unlabelled_are_clean: whether an image without a label shows no defect.

    Raises:
        UserError: an image without a label, a label without an image, or a name without a known prefix.
    """
    found, drawn = listing(photographs), listing(labels, LOSSLESS)
    lone = [drawn[stem].name for stem in drawn if stem not in found]
    if lone:
        raise UserError(f"{labels}: expected an image in {photographs} for every label, {_count(lone)} without one")
    bare = [found[stem].name for stem in found if stem not in drawn]
    if bare and not unlabelled_are_clean:
        raise UserError(
            f"{photographs}: expected a label in {labels} for every image, {_count(bare)} without one "
            "(--unlabelled-are-clean treats them as images without a defect)"
        )
    pairs = [
        Pair(image, layout_name(image), drawn[stem], _class(drawn[stem], prefixes) if prefixes else 0)
        if stem in drawn
        else Pair(image, layout_name(image))
        for stem, image in found.items()
    ]
    return sorted(pairs, key=lambda pair: pair.name)


def _count(names: list[str]) -> str:
    return f"found {len(names)} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def _class(label: Path, prefixes: Sequence[str]) -> int:
    matching = [prefix for prefix in prefixes if label.stem.startswith(prefix)]
    if not matching:
        raise UserError(f"{label}: expected a name that starts with one of {', '.join(prefixes)}")
    return prefixes.index(max(matching, key=len)) + 1


def measure(pairs: Sequence[Pair], expected: tuple[int, int], classes: int | None) -> tuple[Int64, Float32]:
    """Read every image and label and check them.

    Args:
        pairs: images and labels.
        expected: height and width that all of them must have, in pixels.
        classes: how many classes there are; None for the highest class id that occurs.

    Returns:
        Pixels of each class, int64 (images, classes), and signatures of `duplicates`, float32 (images, SIZE).

    Raises:
        UserError: images or labels that are unreadable or of another size, or a class id above `classes`.
    """
    pixels = np.zeros((len(pairs), HIGHEST + 1), np.int64)  # (image, ClassId)
    signatures = np.zeros((len(pairs), duplicates.SIZE), np.float32)

    def read(position: int) -> str | None:
        try:
            signatures[position] = duplicates.signature(_grey(pairs[position].image, expected))
            pixels[position] = _areas(pairs[position], expected, classes)
        except (UserError, images.ImageError) as error:
            return str(error)
        return None

    faults = Faults()
    work = parallel.in_order(read, range(len(pairs)))
    for fault in tqdm(work, "convert: reading", len(pairs), unit=" images", disable=None):
        if fault:
            faults.add(fault)
    faults.raise_if_any()
    present = np.flatnonzero(pixels[:, 1:].any(axis=0)) + 1
    return pixels[:, 1 : 1 + (classes or int(present.max(initial=0)))], signatures


def _grey(image: Path, expected: tuple[int, int]) -> UInt8:
    _refuse_size(image, size(image), expected, "as the first image")
    return images.read(image, *expected, others=True)


def _areas(pair: Pair, expected: tuple[int, int], classes: int | None) -> Int64:
    if pair.label is None:
        return np.zeros(HIGHEST + 1, np.int64)
    drawn = label_map(pair.label, pair.class_id)
    found = (int(drawn.shape[0]), int(drawn.shape[1]))
    _refuse_size(pair.label, found, expected, "as its image")
    if classes is not None and drawn.max() > classes:
        raise UserError(f"{pair.label}: expected class ids of 0 … {classes}, found {drawn.max()}")
    return np.bincount(drawn.reshape(-1), minlength=HIGHEST + 1)


def _refuse_size(path: Path, found: tuple[int, int], expected: tuple[int, int], why: str) -> None:
    if found != expected:
        raise UserError(
            f"{path}: expected {expected[0]}×{expected[1]} pixels (height×width), {why}, found {found[0]}×{found[1]}"
        )


def write(output: Path, train: Sequence[Pair], test: Sequence[Pair], layout: Layout, masks: Path | None = None) -> None:
    """Write the layout, as a zip if `output` ends in .zip, else as a folder; the same input gives the same bytes.

    Args:
        output: replaced if it exists.
        train, test: images and labels; the labels of `test` are left out.
        layout: classes and image size.
        masks: where to write the true masks of `test`, one row per image and class; None to leave them out.
    """
    with _target(output) as entry:
        for folder, pairs in zip(FOLDERS, (train, test), strict=True):
            work = zip(pairs, parallel.in_order(_encoded, [pair.image for pair in pairs]), strict=True)
            for pair, raw in tqdm(work, f"convert: {folder}", len(pairs), unit=" images", disable=None):
                with entry(f"{folder}/{pair.name}") as stream:
                    stream.write(raw)
        labels = tqdm(
            _masks(train, layout), "convert: masks", len(train) * layout.number_of_classes, unit=" masks", disable=None
        )
        _table(entry("train.csv"), tables.MASKS, (row for row in labels if row[2]))
        empty = ((f"{pair.name}_{number}", "") for pair in test for number in layout.class_ids)
        _table(entry("sample_submission.csv"), tables.PAIRS, empty)
        if masks:
            rows = ((f"{name}_{number}", runs) for name, number, runs in _masks(test, layout))
            outputs.write_table(masks, tables.PAIRS, rows)


@contextmanager
def _target(output: Path) -> Iterator[Open]:
    """Yield a function that opens an entry of the output for writing, one at a time."""
    if output.suffix.lower() == ".zip":
        # The binary stream below the text stream: a zip must not have its line ends changed.
        with outputs.file(output) as stream, zipfile.ZipFile(cast(TextIO, stream).buffer, "w") as archive:
            yield lambda name: archive.open(_entry(name), "w")
    else:
        with outputs.folder(output) as folder:
            for name in FOLDERS:
                (folder / name).mkdir()
            yield lambda name: (folder / name).open("wb")


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry with a fixed date, stored uncompressed because images are compressed already."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Unix, on every system
    return entry


def _encoded(image: Path) -> bytes:
    """The bytes of the file, converted to PNG if the pipeline does not read its format."""
    raw = image.read_bytes()
    if image.suffix.lower() not in RECODED:
        return raw
    levels = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype not in (np.uint8, np.uint16):
        raise UserError(f"{image}: expected an image of 8 or 16 bits per channel, which PNG can store, found another")
    return bytes(cv2.imencode(".png", levels[..., :3] if levels.ndim == 3 else levels)[1].tobytes())


def _masks(pairs: Sequence[Pair], layout: Layout) -> Iterator[tuple[str, int, str]]:
    """Name, ClassId and run lengths of every image and class, "" if there is no mask."""

    def read(pair: Pair) -> list[tuple[str, int, str]]:
        drawn = label_map(pair.label, pair.class_id) if pair.label else np.zeros((1, 1), np.uint8)
        return [(pair.name, number, rle.encode(drawn == number)) for number in layout.class_ids]

    for rows in parallel.in_order(read, pairs):
        yield from rows


def _table(stream: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
