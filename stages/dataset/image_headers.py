"""Formats of image files, and the size that their headers state."""

import io
import struct
import warnings
import zlib
from contextlib import suppress
from enum import Enum
from functools import cache
from typing import Any

import cv2
import numpy as np


class Format(Enum):
    """Formats that are read."""

    JPEG = "JPEG"
    PNG = "PNG"
    TIFF = "TIFF"
    BMP = "BMP"
    DICOM = "DICOM"


LONGEST_START = 132  # bytes that tell the format: DICOM's mark stands after 128 others
_STARTS = {b"\xff\xd8": Format.JPEG, b"\x89PNG\r\n\x1a\n": Format.PNG, b"BM": Format.BMP}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # little and big endian; the last two beyond 4 GB


def kind(raw: bytes) -> Format | None:
    """The format of a file by its first bytes."""
    if raw.startswith(_TIFF):
        return Format.TIFF
    if raw[128:132] == b"DICM":
        return Format.DICOM
    return next((found for start, found in _STARTS.items() if raw.startswith(start)), None)


def size(kind: Format, raw: bytes) -> tuple[int, int] | None:
    """Height and width in pixels as stored; None if there is no whole header, or if a TIFF has several pages."""
    if kind is Format.PNG:  # length and name of the first chunk, then width and height, four bytes each
        whole = len(raw) >= 24 and raw[12:16] == b"IHDR"
        return (int.from_bytes(raw[20:24], "big"), int.from_bytes(raw[16:20], "big")) if whole else None
    if kind is Format.JPEG:
        return _size_of_jpeg(raw)
    if kind is Format.DICOM:
        from stages.dataset import dicom

        with suppress(ValueError):
            return dicom.size(raw)
        return None
    return _size_by_pillow(raw)


@cache
def simplejpeg() -> Any:
    """The module, or None on Kaggle's machines."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


class UnsupportedError(ValueError):
    """A file may be whole, but its pixels are not those that decoders give, or nobody can tell."""


def check(kind: Format, raw: bytes) -> None:
    """Find what decoders fill up or guess without an error. A JPEG's damage is reported by simplejpeg as it decodes.

    Raises:
        UnsupportedError: as its message says.
        ValueError: the file is cut off or damaged.
    """
    if kind is Format.PNG:
        check_png(raw)
    elif kind is Format.TIFF:
        check_tiff(raw)
    elif kind is Format.BMP:
        check_bmp(raw)


def check_bmp(raw: bytes) -> None:
    """See that a BMP can be read in one way only; it has no checksum.

    Raises:
        UnsupportedError: the pixels are compressed by run lengths.
        ValueError: two decoders give other pixels: these begin within the header, or have no colour in the palette.
    """
    if int.from_bytes(raw[_BMP_COMPRESSION : _BMP_COMPRESSION + 4], "little") in _BMP_RUNS:
        raise UnsupportedError("run lengths, whose damage cannot be told: store it without compression")
    if int.from_bytes(raw[_BMP_BITS : _BMP_BITS + 2], "little") == 16:
        return  # decoders round its 5 bits per channel differently
    try:
        with pillow().open(io.BytesIO(raw)) as picture:
            other = np.asarray(picture.convert("RGB"))
    except _PILLOW_ERRORS as error:
        raise ValueError(str(error)) from None
    try:
        found = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        found = None
    if found is None or not np.array_equal(found[..., ::-1], other):
        raise ValueError("pixels within the header, or without a colour in the palette")


def check_tiff(raw: bytes) -> None:
    """Decode a TIFF by a reader that reports a stream that ends early or makes no sense; OpenCV fills it up.

    Raises:
        UnsupportedError: the pixels are turned, transparent, have 0 as white, or are compressed as a fax.
        ValueError: as the reader describes it.
    """
    try:
        with pillow().open(io.BytesIO(raw)) as picture:
            tags = dict(picture.tag_v2)
            if tags.get(_ORIENTATION, 1) != 1:
                raise UnsupportedError(
                    f"pixels that are stored turned (orientation {tags[_ORIENTATION]}): store them upright"
                )
            if tags.get(_PHOTOMETRIC) == 0 and max(tags.get(_BITS, (1,))) > 8:
                raise UnsupportedError("more than 8 bits of which 0 is white: store them with 0 as black")
            if tags.get(_COMPRESSION) in _FAX:
                raise UnsupportedError("fax compression, whose damage cannot be told: store it with LZW")
            if tags.get(_SAMPLES, 1) == 2 and not tags.get(_EXTRA_SAMPLES, ()):
                raise UnsupportedError("two channels, of which one would be left out: store one or three")
            picture.load()
            if "A" in picture.getbands() and picture.getchannel("A").getextrema() != (_OPAQUE, _OPAQUE):
                raise UnsupportedError("transparent pixels, which decoders darken: store it without alpha")
        parts = [
            raw[start : start + length]
            for offsets, lengths in _PARTS
            for start, length in zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=True)
        ]
        for part in parts:  # the reader leaves out deflate's checksums, and what libjpeg warns about
            if tags.get(_COMPRESSION) in _DEFLATE:
                zlib.decompress(part)
            elif tags.get(_COMPRESSION) == _JPEG_IN_TIFF:
                tables = tags.get(_JPEG_TABLES, b"")
                check_jpeg(tables[:-2] + part[2:] if tables else part)  # between the marks of start and end
    except UnsupportedError:
        raise
    except (*_PILLOW_ERRORS, zlib.error) as error:
        raise ValueError(str(error)) from None


def check_jpeg(raw: bytes) -> None:
    """Decode a JPEG, and raise a ValueError for everything that libjpeg warns about; nothing on Kaggle's machines."""
    if decoder := simplejpeg():
        decoder.decode_jpeg(raw, colorspace="GRAY", strict=True)


def check_png(raw: bytes) -> None:
    """Compare the checksums of a PNG's chunks; Pillow leaves out those of the pixels.

    Raises:
        ValueError: one is wrong, or the end is missing.
    """
    place, name = 8, b""
    while name != b"IEND":
        length, name = int.from_bytes(raw[place : place + 4], "big"), raw[place + 4 : place + 8]
        end = place + 8 + length
        if zlib.crc32(raw[place + 4 : end]) != int.from_bytes(raw[end : end + 4], "big") or end + 4 > len(raw):
            raise ValueError("a part whose checksum is wrong")
        place = end + 4


def _size_of_jpeg(raw: bytes) -> tuple[int, int] | None:
    if decoder := simplejpeg():
        with suppress(ValueError, KeyError):  # KeyError: a header without a colour space
            height, width, *_ = decoder.decode_jpeg_header(raw, strict=False)
            return height, width
        return None
    place = 2  # on Kaggle's machines: segments of two bytes for the kind, two for the length
    while raw[place : place + 1] == b"\xff" and place + 9 <= len(raw):
        if raw[place + 1] in _FRAMES:  # length, bits, height, width
            return int.from_bytes(raw[place + 5 : place + 7], "big"), int.from_bytes(raw[place + 7 : place + 9], "big")
        place += 2 + int.from_bytes(raw[place + 2 : place + 4], "big")
    return None


def _size_by_pillow(raw: bytes) -> tuple[int, int] | None:
    with suppress(*_PILLOW_ERRORS), pillow().open(io.BytesIO(raw)) as picture:
        return (picture.height, picture.width) if getattr(picture, "n_frames", 1) == 1 else None
    return None


_BITS, _PHOTOMETRIC, _ORIENTATION = 258, 262, 274
_COMPRESSION, _FAX, _JPEG_IN_TIFF, _DEFLATE = 259, (2, 3, 4, 32771), 7, (8, 32946)
_JPEG_TABLES = 347
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # kinds of a JPEG's segment that states its size
_SAMPLES, _EXTRA_SAMPLES = 277, 338
_OPAQUE = 255
_BMP_BITS, _BMP_COMPRESSION, _BMP_RUNS = 28, 30, (1, 2)  # two places in the header, and what stands at the second
_PARTS = (273, 279), (324, 325)  # where strips and tiles begin, and their lengths
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, OverflowError, struct.error)


@cache
def pillow() -> Any:
    """The module PIL.Image, without its own limit of pixels: sides are limited by `stages.dataset.images`.

    Its warnings about odd fields of a file name a line of Pillow and not the file; what is damaged is refused here.
    """
    from PIL import Image  # a tenth of a second to import

    warnings.filterwarnings("ignore", module="PIL")
    Image.MAX_IMAGE_PIXELS = None
    return Image
