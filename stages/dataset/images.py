"""Photographs: read, checked, and compared with one another."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

SUFFIXES = (".jpg", ".jpeg", ".png")
LARGEST_EXTRAS = 1 << 26  # bytes of a file beside its pixels: previews, colour profiles, notes of the camera

_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the JPEG segments that hold the size
_SCAN, _TABLES = 0xDA, 0xC4
_END = b"\xff\xd9"
# Between a JPEG's scan and its end a byte 0xFF is followed by 0 or by one of these markers; this finds the end or, if
# it comes before, another pair, which is damage.
_END_OR_STRAY = re.compile(rb"\xff[^\x00\xff\xc4\xd0-\xd7\xda-\xdd\xe0-\xef\xfe]")
_SECTOR = bytes(512)  # what a disk that failed leaves


class ImageError(ValueError):
    """A file that is no image of the expected size; the message says what was expected and found."""


def listing(folder: Path) -> list[str]:
    """Names of the image files in a folder, sorted; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)


def read(path: Path, height: int, width: int, *, others: bool = False) -> npt.NDArray[np.uint8]:
    """Read one photograph as grey levels.

    Args:
        path: a JPEG or a PNG.
        height, width: its size in pixels.
        others: whether to read other formats too (BMP, TIFF): they are decoded before their size is known here.

    Returns:
        uint8 of shape (height, width), 0 black … 255 white. An EXIF rotation is ignored: masks are drawn on
        the pixels as stored.

    Raises:
        ImageError: missing, unreadable, cut off, visibly damaged, neither JPEG nor PNG, or of another size. The size is
            read before anything is decoded: a picture of any other size takes no memory.
    """
    return decode(contents(path, height, width), path, height, width, others=others)


def contents(path: Path, height: int, width: int) -> bytes:
    """The bytes of an image file, for `decode`.

    Raises:
        ImageError: it cannot be read, or holds more bytes than an image of this size can need.
    """
    most = 8 * height * width + LARGEST_EXTRAS  # eight bytes: four channels of 16 bits
    try:
        length = path.stat().st_size
        if length > most:
            raise ImageError(f"{path}: expected an image of at most {most:,} bytes, found {length:,}")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: expected an image, found no readable file ({error.strerror})") from None


def decode(raw: bytes, path: Path, height: int, width: int, *, others: bool = False) -> npt.NDArray[np.uint8]:
    """`read` for a file whose bytes are known; the path is for messages alone."""
    # OpenCV fills the missing part of a cut-off JPEG with grey and says so only on stderr.
    if raw.startswith(b"\xff\xd8") and _END not in raw[-1024:]:
        raise ImageError(f"{path}: expected a whole JPEG, found {len(raw)} bytes without its end: it was cut off")
    known = raw.startswith((b"\xff\xd8", _PNG))
    if not known and not others:
        raise ImageError(f"{path}: expected a JPEG or a PNG, found {len(raw)} bytes that begin as neither")
    found = _size(raw)
    image = None if known else _decoded(raw)
    if image is not None:
        found = image.shape[0], image.shape[1]
    if found is not None and found != (height, width):
        raise ImageError(
            f"{path}: expected {height}×{width} pixels (competition.image_height, image_width), "
            f"found {found[0]}×{found[1]}"
        )
    if damage := _damage(raw):
        raise ImageError(f"{path}: expected a whole JPEG, found one that is damaged inside: {damage}")
    if known and found:
        image = _decoded(raw)
    if image is None or image.shape != found:
        raise ImageError(f"{path}: expected an image, found {len(raw)} bytes that cannot be decoded")
    return image


def size(path: Path) -> tuple[int, int] | None:
    """Height and width in pixels of an image of any size, as stored (EXIF ignored), read from its header; None if
    there is none.
    """
    with suppress(OSError), path.open("rb") as file:
        return _size(file.read(LARGEST_EXTRAS))
    return None


def _decoded(raw: bytes) -> npt.NDArray[np.uint8] | None:
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, np.uint8)


def _size(raw: bytes) -> tuple[int, int] | None:
    """Height and width from the header of a JPEG or PNG; None if there is none."""
    if raw.startswith(_PNG):
        whole = len(raw) >= 24 and raw[12:16] == b"IHDR"
        return (_number(raw[20:24]), _number(raw[16:20])) if whole else None
    for marker, start in _segments(raw):
        if marker in _FRAMES:  # length (2 bytes), bits (1), height (2), width (2)
            return _number(raw[start + 3 : start + 5]), _number(raw[start + 5 : start + 7])
    return None


def _damage(raw: bytes) -> str | None:
    """What in a JPEG cannot be, although OpenCV would decode it with a warning at most; None if nothing is found.

    A JPEG holds no checksum: a damage of a few bytes in its pixels often leaves a valid picture, with other pixels.
    """
    start = next((start for marker, start in _segments(raw) if marker == _SCAN), None)
    if start is None:
        return None
    found = _END_OR_STRAY.search(raw, start)
    if found and found[0] != _END:
        return f"bytes {found[0].hex()} at {found.start():,}, which no encoder writes there"
    hole = raw.find(_SECTOR, start, found.start() if found else None)
    if hole >= 0 and not _zeros_can_be_even(raw):
        return f"a run of zeros at {hole:,}"
    return None


def _zeros_can_be_even(raw: bytes) -> bool:
    """Whether zero bits can be even blocks: all tables of codes (but those of the mean) begin with "end of block".

    So do those that an encoder has fitted to a black picture; the usual one of brightness does not, and zeros would be
    noise of one size in all frequencies.
    """
    firsts = []
    for marker, start in _segments(raw):
        if marker == _TABLES:
            place, end = start + 2, start + _number(raw[start : start + 2])
            while place + 17 < end:  # class and number (1 byte), how many codes of each length (16), their symbols
                if raw[place] >> 4:
                    firsts.append(raw[place + 17])
                place += 17 + sum(raw[place + 1 : place + 17])
    return not any(firsts)


def _segments(raw: bytes) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG up to its first scan, and where their segments start; none if it is none."""
    place = 2
    while raw.startswith(b"\xff\xd8") and place + 4 <= len(raw) and raw[place] == 0xFF:
        marker = raw[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        yield marker, place + 2
        if marker == _SCAN:
            return
        place += 2 + max(2, _number(raw[place + 2 : place + 4]))


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
