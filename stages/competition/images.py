"""Photographs: read, checked, and compared with one another."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from os import cpu_count
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

SUFFIXES = (".jpg", ".jpeg", ".png")

Item = TypeVar("Item")
Result = TypeVar("Result")


class ImageError(ValueError):
    """A file that is no image of the expected size; the message says what was expected and found."""


def listing(folder: Path) -> list[str]:
    """Names of the image files in a folder, sorted; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES)


def read(path: Path, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Read one photograph as grey levels.

    Returns:
        uint8 of shape (height, width), 0 black … 255 white. An EXIF rotation is ignored: masks are drawn on
        the pixels as stored.

    Raises:
        ImageError: missing, unreadable, cut off, or of another size.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: expected an image, found no readable file ({error.strerror})") from None
    # OpenCV fills the missing part of a cut-off JPEG with grey and says so only on stderr.
    if raw.startswith(b"\xff\xd8") and b"\xff\xd9" not in raw[-1024:]:
        raise ImageError(f"{path}: expected a whole JPEG, found {len(raw)} bytes without its end: it was cut off")
    image = None
    if raw:
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
        try:
            image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
        except cv2.error:  # absurd sizes
            image = None
    if image is None:
        raise ImageError(f"{path}: expected an image, found {len(raw)} bytes that cannot be decoded")
    if image.shape != (height, width):
        found = f"{image.shape[0]}×{image.shape[1]}"
        raise ImageError(
            f"{path}: expected {height}×{width} pixels (competition.image_height, image_width), found {found}"
        )
    return np.asarray(image, np.uint8)


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Apply `work` to every item on all cores, in order, holding only a few results at a time."""
    workers = cpu_count() or 1
    remaining = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[Result]] = [pool.submit(work, item) for item in islice(remaining, 4 * workers)]
        try:
            while waiting:
                result = waiting.pop(0).result()
                waiting.extend(pool.submit(work, item) for item in islice(remaining, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)
