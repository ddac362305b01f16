"""Photographs: listed, read as grey levels, and checked.

JPEGs are decoded by simplejpeg in its strict mode, which refuses files that are cut off or damaged; OpenCV fills the
missing part with grey and reports it on stderr at most. Both use libjpeg-turbo and give the same grey levels. Kaggle's
machines have no simplejpeg, so the notebook there decodes with OpenCV.
"""

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages.pipeline.arrays import UInt8

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".dcm")
LARGEST_EXTRAS = 1 << 26  # bytes of a file besides its pixels: previews, colour profiles, notes of the camera

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


class ImageError(ValueError):
    """A file is not an image of the expected size. The message says what was expected and what was found."""


def listing(folder: Path) -> list[str]:
    """Names of the image files in a folder, sorted; an empty list if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)


def read(path: Path, height: int, width: int, *, others: bool = False) -> UInt8:
    """Read one photograph as grey levels.

    Args:
        path: a JPEG or a PNG.
        height, width: its size in pixels.
        others: also read other formats (BMP, TIFF). Their size is known only after they have been decoded.

    Returns:
        uint8 of shape (height, width), 0 black … 255 white. An EXIF rotation is ignored: masks are drawn on
        the pixels as stored.

    Raises:
        ImageError: the file is missing, unreadable, cut off, damaged, neither JPEG nor PNG, or of another size. The
            size is read from the header first, so that an image of any other size takes no memory.
    """
    return decode(contents(path, height, width), path, height, width, others=others)


def contents(path: Path, height: int, width: int) -> bytes:
    """The bytes of an image file, for `decode`.

    Raises:
        ImageError: the file cannot be read, or holds more bytes than an image of this size can need.
    """
    most = 8 * height * width + LARGEST_EXTRAS  # eight bytes: four channels of 16 bits
    try:
        length = path.stat().st_size
        if length > most:
            raise ImageError(f"{path}: expected an image of at most {most:,} bytes, found {length:,}")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: expected an image, found no readable file ({error.strerror})") from None


def decode(raw: bytes, path: Path, height: int, width: int, *, others: bool = False) -> UInt8:
    """Like `read`, for a file whose bytes are known; the path is used in messages only."""
    if not (others or raw.startswith((_JPEG, _PNG))):
        raise ImageError(f"{path}: expected a JPEG or a PNG, found {len(raw)} bytes that begin as neither")
    found, image = _size(raw), None
    if found in (None, (height, width)):
        try:
            image = _strictly(raw) if found and _simplejpeg() and raw.startswith(_JPEG) else _opencv(raw)
        except ValueError as error:
            raise ImageError(f"{path}: expected a whole JPEG, found one that is cut off or damaged: {error}") from None
        if image is None or (found and image.shape != found):
            raise ImageError(f"{path}: expected an image, found {len(raw)} bytes that cannot be decoded")
        found = int(image.shape[0]), int(image.shape[1])
    if image is None or found != (height, width):
        raise ImageError(
            f"{path}: expected {height}×{width} pixels (competition.image_height, image_width), found "
            + "×".join(map(str, found or ()))
        )
    return image


def size(path: Path) -> tuple[int, int] | None:
    """Height and width in pixels as stored (EXIF ignored), read from the header of a JPEG or PNG of any size.

    Returns:
        None if the file is neither.
    """
    with suppress(OSError), path.open("rb") as file:
        return _size(file.read(LARGEST_EXTRAS))
    return None


@cache
def _simplejpeg() -> Any:
    """The module, or None on Kaggle's machines."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def _size(raw: bytes) -> tuple[int, int] | None:
    """Height and width from the header of a JPEG or PNG; None if there is none."""
    if raw.startswith(_PNG):  # length and name of the first chunk, then width and height, four bytes each
        whole = len(raw) >= 24 and raw[12:16] == b"IHDR"
        return (int.from_bytes(raw[20:24], "big"), int.from_bytes(raw[16:20], "big")) if whole else None
    if raw.startswith(_JPEG) and _simplejpeg():
        with suppress(ValueError, KeyError):  # KeyError: a header without a colour space
            height, width, *_ = _simplejpeg().decode_jpeg_header(raw, strict=False)
            return height, width
    return None


def _strictly(raw: bytes) -> UInt8:
    """Decode a JPEG; a ValueError reports everything that libjpeg warns about."""
    return np.asarray(_simplejpeg().decode_jpeg(raw, colorspace="GRAY", strict=True), np.uint8)[..., 0]


def _opencv(raw: bytes) -> UInt8 | None:
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, np.uint8)
