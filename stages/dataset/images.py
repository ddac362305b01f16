"""Photographs: listed, read, and checked.

`native` gives the pixels of a file as uint8, grey or RGB, whatever its format; `stages.dataset.geometry` brings them to
the size at which networks see them. JPEGs are decoded by simplejpeg in its strict mode, which refuses files that are
cut off or damaged; OpenCV fills the missing part with grey and reports it on stderr at most. Both use libjpeg-turbo and
give the same pixels. Kaggle's machines have no simplejpeg, so the notebook there decodes with OpenCV.
"""

import os
from contextlib import suppress
from functools import cache, reduce
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stages.dataset import image_headers
from stages.dataset.image_headers import Format, simplejpeg
from stages.dataset.layout import Images
from stages.pipeline.arrays import Bool, UInt8
from stages.pipeline.cli import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".dcm")
LARGEST_SIDE = 1 << 15  # pixels; OpenCV's arithmetic of places inside an image ends there
LARGEST_EXTRAS = 1 << 26  # bytes of a file besides its pixels: previews, colour profiles, notes of the camera
LARGEST_FILE = 1 << 32  # bytes, where the size in pixels is not known beforehand
LOOKED_AT = 64  # images of a set that are looked at for colours, which decoding a JPEG to grey levels would hide
GREY = Images()
MOST_GREY = 2  # levels by which the channels of a grey image differ at most, after rounding
_COLOURS = (
    "expected grey levels (competition.images.channels: 1), found colours: set channels to 3 to train on them, or "
    "grey_from_colour to true to turn them to grey"
)

Size = tuple[int, int]  # height and width


class ImageError(ValueError):
    """A file is not an image of the expected kind. The message says what was expected and what was found."""


class UndecodableError(ImageError):
    """A file cannot be decoded, but might be if it is written to its end."""


def listing(folder: Path) -> list[str]:
    """Names of the image files in a folder, sorted; an empty list if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)


def read(path: Path, height: int, width: int, form: Images = GREY) -> UInt8:
    """Read one photograph of a known size; see `native`."""
    return native(contents(path, (height, width)), path, form, (height, width))


def contents(path: Path, expected: Size | None = None) -> bytes:
    """The bytes of an image file, for `native`.

    Raises:
        ImageError: the file cannot be read, or holds more bytes than an image of the expected size, if there is one,
            can need.
    """
    most = LARGEST_FILE if expected is None else _most_bytes(expected)
    try:
        with path.open("rb", buffering=0) as file:
            length = os.fstat(file.fileno()).st_size
            if length > most:
                raise ImageError(f"{path}: expected an image of at most {most:,} bytes, found {length:,}")
            return file.read()
    except OSError as error:
        raise UndecodableError(f"{path}: expected an image, found no readable file ({error.strerror})") from None


def native(raw: bytes, path: Path, form: Images, expected: Size | None = None) -> UInt8:
    """Decode an image at its own size.

    Args:
        raw: the bytes of the file.
        path: of the file, for messages.
        form: how many channels are wanted, and which values of more than 8 bits become black and white.
        expected: height and width that the image must have; None: any.

    Returns:
        uint8 of shape (height, width), 0 black … 255 white, or (height, width, 3), red first. An EXIF rotation is
        ignored: masks are drawn on the pixels as stored.

    Raises:
        ImageError: the file is cut off, damaged, of no known format, of another size, or colour or a depth that `form`
            does not allow. The size is read from the header first, so that an image of another size takes no memory.
    """
    try:
        kind, size = _checked_header(raw, path, expected)
        values = _decoded(kind, raw, form)
    except ImportError as error:
        raise ImageError(f"{path}: {_without(error)}") from None
    except ImageError:
        raise
    except image_headers.UnsupportedError as error:
        raise ImageError(f"{path}: expected a {kind.value} of another kind, found one with {error}") from None
    except ValueError as error:
        raise UndecodableError(
            f"{path}: expected a whole {kind.value}, found one that is cut off or damaged: {error}"
        ) from None
    if values is None or values.shape[:2] != size:
        raise UndecodableError(f"{path}: expected an image, found {len(raw)} bytes that cannot be decoded")
    return _channels(_levels(values, path, form), path, form)


def size(path: Path) -> Size | None:
    """Height and width in pixels as stored (EXIF ignored), read from the header. None if the file is no image.

    Raises:
        UserError: it needs a package that is not installed.
    """
    with suppress(OSError), path.open("rb") as file:
        kind = image_headers.kind(file.read(image_headers.LONGEST_START))
        if kind is None:
            return None
        file.seek(0)
        try:
            return image_headers.size(kind, file.read(LARGEST_EXTRAS))
        except ImportError as error:
            raise UserError(f"{path}: {_without(error)}") from None
    return None


def is_coloured(raw: bytes) -> bool:
    """Whether an image holds colours, by an eighth of its resolution; False if it cannot be decoded."""
    flags = cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        small = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error:
        return False
    return small is not None and bool(_coloured(np.asarray(small, np.uint8)).any())


def refuse_colours(raw: bytes, path: Path) -> None:
    """Raise an `ImageError` if an image holds colours, which decoding to grey levels would hide."""
    if is_coloured(raw):
        raise ImageError(f"{path}: {_COLOURS}")


def grey(image: UInt8) -> UInt8:
    """Grey levels of an image, uint8 (height, width)."""
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _without(error: ImportError) -> str:
    if error.name != "pydicom":
        package = {"PIL": "pillow"}.get(error.name or "", error.name)
        return f"this image needs the package {package}, which is not installed (pip install {package})"
    return (
        "this DICOM image needs the package pydicom, which is not installed (pip install pydicom, or the extra "
        '"dicom" of pyproject.toml)'
    )


def _checked_header(raw: bytes, path: Path, expected: Size | None) -> tuple[Format, Size]:
    kind = image_headers.kind(raw)
    if kind is None:
        known = ", ".join(each.value for each in Format)
        raise UndecodableError(f"{path}: expected one of {known}, found {len(raw)} bytes that begin as none of them")
    found = image_headers.size(kind, raw)
    if found is None:
        raise UndecodableError(f"{path}: expected a {kind.value}, found {len(raw)} bytes without a readable header")
    if max(found) > LARGEST_SIDE:
        raise ImageError(
            f"{path}: expected sides of at most {LARGEST_SIDE:,} pixels, found {found[0]}×{found[1]} (height×width): "
            "cut it into smaller images first"
        )
    if len(raw) > _most_bytes(found):
        raise ImageError(f"{path}: expected an image of {found[0]}×{found[1]} pixels, found {len(raw):,} bytes")
    if expected is not None and found != expected:
        raise ImageError(
            f"{path}: expected {expected[0]}×{expected[1]} pixels (competition.image_height, image_width), found "
            f"{found[0]}×{found[1]}; images of different sizes need competition.images.sizes: resized, padded or tiled"
        )
    return kind, found


def _most_bytes(size: Size) -> int:
    return 8 * size[0] * size[1] + LARGEST_EXTRAS  # eight bytes: four channels of 16 bits


def _decoded(kind: Format, raw: bytes, form: Images) -> npt.NDArray[Any] | None:
    if kind is Format.DICOM:
        from stages.dataset import dicom

        return dicom.decode(raw, lambda jpeg: _jpeg(jpeg, 1))
    image_headers.check(kind, raw)
    return _jpeg(raw, form.channels) if kind is Format.JPEG else _opencv(raw, cv2.IMREAD_UNCHANGED)


def _jpeg(raw: bytes, channels: int) -> UInt8 | None:
    """Grey levels (height, width), or RGB. A ValueError reports everything that libjpeg warns about."""
    decoder = simplejpeg()
    if decoder is None:
        flags = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR_RGB
        return _opencv(raw, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if channels == 1:
        return np.asarray(decoder.decode_jpeg(raw, colorspace="GRAY", strict=True), np.uint8)[..., 0]
    return np.asarray(decoder.decode_jpeg(raw, colorspace="RGB", strict=True), np.uint8)


@cache
def _silence_opencv() -> None:
    """Print nothing about a file that it cannot decode: the message here names the file. Older versions lack this."""
    log = getattr(cv2.utils, "logging", None)
    if log is not None:
        log.setLogLevel(log.LOG_LEVEL_SILENT)


def _opencv(raw: bytes, flags: int) -> npt.NDArray[Any] | None:
    """As OpenCV decodes it; colours in the order red, green, blue, without transparency."""
    _silence_opencv()
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error:
        return None
    if image is None or image.ndim == 2 or flags != cv2.IMREAD_UNCHANGED:
        return image
    return np.ascontiguousarray(image[..., 2::-1]) if image.shape[2] >= 3 else np.ascontiguousarray(image[..., 0])


def _levels(values: npt.NDArray[Any], path: Path, form: Images) -> UInt8:
    """The values as uint8, by the stated mapping."""
    if form.levels is None:
        if values.dtype == np.uint8:
            return values
        raise ImageError(
            f"{path}: expected 8 bits per channel, found {values.dtype} with values of {values.min()} … "
            f"{values.max()}: set competition.images.levels to the values that become black and white, such as "
            "[0, 65535]"
        )
    if values.dtype == np.uint8:
        raise ImageError(
            f"{path}: expected more than 8 bits per channel (competition.images.levels), found 8: set levels to null"
        )
    if not np.isfinite(values).all():
        raise ImageError(f"{path}: expected finite values, found NaN or infinity")
    black, white = form.levels
    return np.asarray(np.rint(np.clip((values.astype(np.float32) - black) / (white - black), 0, 1) * 255), np.uint8)


def _channels(image: UInt8, path: Path, form: Images) -> UInt8:
    if form.channels == 3:
        return image if image.ndim == 3 else np.repeat(image[..., np.newaxis], 3, axis=2)
    if image.ndim == 2:
        return image
    if not form.grey_from_colour and _coloured(image).any():
        raise ImageError(f"{path}: {_COLOURS}")
    return grey(image)


def _coloured(image: UInt8) -> Bool:
    """Pixels whose channels differ by more than JPEG's rounding."""
    channels = np.moveaxis(image, -1, 0)  # two at a time: a tenth of the time of np.ptp
    return np.asarray(reduce(np.maximum, channels) - reduce(np.minimum, channels) > MOST_GREY)
