"""Folders of one's own images: which files they are, and what kind of image each holds."""

import os
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from stages.dataset import images
from stages.dataset.images import ImageError
from stages.dataset.layout import Images
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
DEEP = ("I;16", "I;16B", "I;16L", "I", "F")  # Pillow's modes of more than 8 bits per channel


@dataclass(frozen=True)
class ImageKind:
    """What a file holds.

    Attributes:
        size: height and width in pixels as stored.
        deep: whether it has more than 8 bits per channel.
    """

    size: tuple[int, int]
    deep: bool


def files(folder: Path) -> list[Path]:
    """The pictures in a folder and in the folders below it, sorted.

    Raises:
        UserError: there is no such folder, no picture in it, or a folder that links back to one above it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: expected a folder, found none (seen from {Path.cwd()})")
    found = sorted(path for path in _walk(folder, ()) if path.suffix.lower() in SUFFIXES)
    if not found:
        raise UserError(f"{folder}: expected files that end in {', '.join(SUFFIXES)}, found none")
    for path in found:
        if not path.name.isprintable():
            raise UserError(f"{path.parent}: expected file names in UTF-8, found {path.name!r}")
    return found


def _walk(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    real = folder.resolve() if not _loops(folder) else folder
    if real in above or _loops(folder):
        raise UserError(f"{folder}: expected a folder of its own, found a link that leads back to itself")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder}: expected a readable folder ({error.strerror})") from None
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if _loops(path):
            raise UserError(f"{path}: expected a file or a folder, found a link that leads back to itself")
        if path.is_dir():
            yield from _walk(path, (*above, real))
        else:
            yield path


def _loops(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        return error.errno == 40  # ELOOP
    return False


def stored_names(found: Collection[Path], folder: Path) -> dict[Path, str]:
    """Under which name each image is stored: its own; with the folders before it if two have the same before the dot.

    Raises:
        UserError: two images would have one name all the same.
    """
    by_stem: dict[str, list[Path]] = {}
    for path in found:
        by_stem.setdefault(path.stem, []).append(path)
    names = {
        path: path.name if len(by_stem[path.stem]) == 1 else "_".join(path.relative_to(folder).parts) for path in found
    }
    seen: dict[str, Path] = {}
    for path, name in names.items():
        stem = Path(name).stem
        if stem in seen:
            raise UserError(f"{folder}: expected one image named {stem}, found {seen[stem]} and {path}")
        seen[stem] = path
    return names


def kind(image: Path) -> ImageKind:
    """Size and depth of an image, from its header.

    Raises:
        UserError: the file is not an image, or holds several.
    """
    try:
        with Image.open(image) as picture:
            if getattr(picture, "n_frames", 1) != 1:
                raise UserError(f"{image}: expected one image, found several pages in one file")
            return ImageKind((picture.height, picture.width), picture.mode in DEEP)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(f"{image}: expected an image, found no readable one ({error})") from None


def read(image: Path, levels: tuple[int, int] | None) -> UInt8:
    """The pixels, uint8 (height, width, 3): grey levels three times, or colours.

    Args:
        image: the file.
        levels: as in `stages.dataset.layout.Images`.

    Raises:
        UserError: the file is damaged, or of another depth.
    """
    try:
        return images.native(images.contents(image), image, Images(channels=3, levels=levels))
    except ImageError as error:
        raise UserError(str(error)) from None


def is_coloured(pixels: UInt8) -> bool:
    """Whether red, green and blue differ."""
    return bool((np.ptp(pixels.astype(np.int16), axis=-1) > images.MOST_GREY).any())


def largest_value(image: Path) -> int:
    """The largest value of an image of more than 8 bits."""
    with Image.open(image) as picture:
        return int(np.asarray(picture).max(initial=0))
