"""Images as PNG, one after the other in one file: for data sets whose pixels would fill the disk.

    NAME.png.bin        the PNGs, in the order of the index
    NAME.png.index.npy  int64 (images + 1,): where each begins, and the end of the last

PNG is lossless, so a network sees the same values as from `stages.dataset.prepared.ImageStore`, which reads an image in
a tenth of a millisecond where this takes several. `worth_encoding` decides which of the two is used.
"""

import os
from pathlib import Path

import cv2
import numpy as np

from stages.dataset import image_headers, integrity
from stages.pipeline.arrays import UInt8

# Bytes of pixels, images and label maps together, from which they are encoded: four times Severstal's.
MOST_PIXELS = 40e9
_OPTIONS = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def worth_encoding(count: int, shape: tuple[int, ...]) -> bool:
    """Whether `count` images of this shape, and their label maps, take too much space as pixels."""
    return bytes_as_pixels(count, shape) > MOST_PIXELS


def bytes_as_pixels(count: int, shape: tuple[int, ...]) -> int:
    """Bytes of `count` images of this shape and of their label maps."""
    return count * (int(np.prod(shape)) + shape[0] * shape[1])


def encode(image: UInt8) -> bytes:
    """An image, uint8 (height, width) or (height, width, 3), red first, as PNG."""
    stored = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    return bytes(cv2.imencode(".png", stored, _OPTIONS)[1].tobytes())


class EncodedWriter:
    """Writes images one after the other, in the order of their positions."""

    def __init__(self, path: Path) -> None:
        self._file, self._index, self._offsets = _names(path)[0].open("wb"), _names(path)[1], [0]

    def append(self, encoded: bytes) -> None:
        """Add the next image."""
        self._file.write(encoded)
        self._offsets.append(self._offsets[-1] + len(encoded))

    def close(self) -> None:
        """Write the index."""
        self._file.close()
        np.save(self._index, np.array(self._offsets, np.int64))


class EncodedStore:
    """What `EncodedWriter` has written, read like `ImageStore`. Safe to use from several threads.

    Args:
        path: as given to the writer.
        shape: of every image.

    Raises:
        UserError: the files are damaged.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._path, index = _names(path)
        self._offsets = integrity.read_array(index)
        whole = self._offsets.dtype == np.int64 and self._offsets.ndim == 1 and len(self._offsets) > 0
        if not whole or self._offsets[0] != 0 or (np.diff(self._offsets) <= 0).any():
            raise integrity.damaged(index)
        if self._offsets[-1] != self._path.stat().st_size:
            raise integrity.damaged(self._path)
        self._file = os.open(self._path, os.O_RDONLY)
        self.shape, (self.height, self.width) = shape, shape[:2]

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> UInt8:
        """One image, uint8 of `shape`.

        Raises:
            UserError: it is damaged.
        """
        start, end = (int(offset) for offset in self._offsets[position : position + 2])
        raw = os.pread(self._file, end - start, start)
        try:
            image_headers.check_png(raw)
            image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
        except (ValueError, cv2.error):
            raise integrity.damaged(self._path) from None
        if image is None or image.shape != self.shape or image.dtype != np.uint8:
            raise integrity.damaged(self._path)
        return np.asarray(image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1]), np.uint8)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is such a store."""
        return all(name.is_file() for name in _names(path))


def _names(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".png.bin"), path.with_suffix(".png.index.npy")
