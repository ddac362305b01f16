"""Files of one's own images: what their headers say, their pixels, and the names under which they are stored."""

import struct
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from stages.dataset import image_headers, images
from stages.dataset.image_names import LONGEST_NAME, SHARED, file_key
from stages.dataset.images import ImageError
from stages.dataset.layout import Images
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError

UPRIGHT = 1  # EXIF's orientation of an image that viewers show as it is stored
ORIENTATION, BITS = 274, 258  # TIFF's tags, which EXIF shares
DEEP = ("I;16", "I;16B", "I;16L", "I")  # Pillow's modes of more than 8 bits in one channel
PNG_BITS = 24  # the byte of a PNG's header that holds the bits per channel
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, OverflowError, struct.error)


@dataclass(frozen=True)
class ImageKind:
    """What a file holds.

    Attributes:
        size: height and width in pixels as stored.
        deep: whether it has more than 8 bits per channel.
        alpha: whether it has a channel or a colour of transparency.
        orientation: EXIF's number, 1 … 8: how viewers turn the picture; 1: not at all.
    """

    size: tuple[int, int]
    deep: bool
    alpha: bool = False
    orientation: int = UPRIGHT

    @property
    def shown_size(self) -> tuple[int, int]:
        """Height and width of the picture that viewers show."""
        return self.size[::-1] if self.orientation >= 5 else self.size


def stored_names(found: Collection[Path], folder: Path) -> dict[Path, str]:
    """Under which name each image is stored: its own; with the folders before it if two have the same before the dot.

    Names that share a file on some system count as the same (see `image_names.file_key`).

    Raises:
        UserError: two images would have one name all the same, or a name is too long.
    """
    stems, files = Counter(path.stem for path in found), Counter(file_key(path.name) for path in found)
    names = {
        path: path.name
        if stems[path.stem] == files[file_key(path.name)] == 1
        else "_".join(path.relative_to(folder).parts)
        for path in found
    }
    seen: dict[str, Path] = {}
    by_file: dict[str, Path] = {}
    for path, name in names.items():
        stem = Path(name).stem
        if stem in seen:
            raise UserError(f"{folder}: expected one image named {stem}, found {seen[stem]} and {path}")
        if file_key(name) in by_file:
            raise UserError(
                f"{folder}: expected file names that differ in more than upper and lower case, found "
                f"{by_file[file_key(name)]} and {path}: {SHARED}"
            )
        if len(name.encode()) > LONGEST_NAME:
            raise UserError(
                f"{path}: expected names of images of at most {LONGEST_NAME} bytes, found {len(name.encode())}: rename "
                "it, or the folders before it"
            )
        seen[stem] = by_file[file_key(name)] = path
    return names


def kind(image: Path) -> ImageKind:
    """What an image's header says.

    Raises:
        UserError: the file is not an image, holds several or floating-point numbers, or is a TIFF that is turned.
    """
    try:
        with opened(image) as picture:
            check_sides(image, picture)
            if getattr(picture, "n_frames", 1) != 1:
                raise UserError(f"{image}: expected one image, found several pages in one file")
            orientation = int(picture.getexif().get(ORIENTATION, UPRIGHT))
            orientation = orientation if 1 <= orientation <= 8 else UPRIGHT  # what viewers make of another number
            if picture.mode == "F":
                raise UserError(f"{image}: expected whole numbers, found floating-point numbers")
            if picture.format == "TIFF" and orientation != UPRIGHT:
                raise UserError(f"{image}: expected a TIFF that is stored upright, found orientation {orientation}")
            alpha = "A" in picture.getbands() or "transparency" in picture.info
            return ImageKind((picture.height, picture.width), _is_deep(image, picture), alpha, orientation)
    except UNREADABLE as error:
        raise UserError(f"{image}: expected an image, found no readable one ({error})") from None


def opened(file: Path) -> Image.Image:
    """A picture, its pixels not yet read, of any number of pixels: see `check_sides`. Errors as in `UNREADABLE`."""
    picture: Image.Image = image_headers.pillow().open(file)
    return picture


def check_sides(file: Path, picture: Image.Image) -> None:
    """Raise a `UserError` if a picture is larger than images may be, before it takes memory."""
    if max(picture.size) > images.LARGEST_SIDE:
        raise UserError(
            f"{file}: expected sides of at most {images.LARGEST_SIDE:,} pixels, found {picture.height}×{picture.width} "
            "(height×width)"
        )


def _is_deep(image: Path, picture: Image.Image) -> bool:
    """Whether there are more than 8 bits per channel; Pillow opens colours of 16 bits as if they had 8."""
    if picture.format == "PNG":
        with image.open("rb") as file:
            return file.read(PNG_BITS + 1)[PNG_BITS] > 8
    if picture.format == "TIFF":
        bits: tuple[int, ...] = picture.tag_v2.get(BITS, (1,))  # type: ignore[attr-defined]
        return max(bits) > 8
    return picture.mode in DEEP


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
    """Whether red, green and blue differ, in pixels of uint8 (height, width, 3)."""
    return bool((np.ptp(pixels.astype(np.int16), axis=-1) > images.MOST_GREY).any())


def is_transparent(image: Path) -> bool:
    """Whether any pixel of an image is not opaque.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        with opened(image) as picture:
            return bool(np.asarray(picture.convert("RGBA"))[..., 3].min() < 255)
    except UNREADABLE as error:
        raise UserError(f"{image}: expected an image, found no readable one ({error})") from None


def largest_value(image: Path) -> int:
    """The largest value of an image of more than 8 bits, transparency left out.

    Raises:
        UserError: the file cannot be decoded, or holds negative values.
    """
    values = cv2.imdecode(np.fromfile(image, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise UserError(f"{image}: expected an image, found none that can be decoded")
    channels = values if values.ndim == 2 else values[..., :3]
    if channels.min() < 0:
        raise UserError(f"{image}: expected values from 0 on, found {channels.min()}")
    return int(channels.max())
