"""Probabilities on disk, so that post-processing can be chosen and changed without running a network again.

    FOLDER/
        NAME.bin        one per image: its levels, 255 = probability 1, compressed by zlib (see `encode`)
        presence.csv    one row per image: for each class the probability that it is in the image, 0 … 255

On the test images of the built-in sample this takes as much space as PNG, half of the time to write, and a quarter of
the time to read: deflate takes long for the zeros that most levels are, so these are left out before.
"""

import csv
import io
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from stages.pipeline import limits, outputs, parallel
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction

PRESENCE = "presence.csv"
AGAIN = "run dvc repro --force infer infer_test"
_SHAPE = np.dtype("<i4")  # height, width, classes, before the levels
_WORD = np.dtype("<u8")  # eight levels


def write(folder: Path, predictions: Iterable[tuple[str, Prediction]]) -> int:
    """Store predictions by the name of their image, in several threads. Returns the size of the images in bytes."""
    folder.mkdir(parents=True)

    def store(one: tuple[str, Prediction]) -> tuple[int, list[Any]]:
        image, prediction = one
        height, width, classes = prediction.pixels.shape
        reason = limits.not_stored((height, width), classes)
        if reason is not None:
            raise UserError(f"{image}: {reason}")
        encoded = encode(prediction.pixels)
        _file(folder, image).write_bytes(encoded)
        return len(encoded), [image, *prediction.presence.tolist()]

    rows, size = [], 0
    for written, row in parallel.in_order(store, predictions):
        size += written
        rows.append(row)
    classes = len(rows[0]) - 1 if rows else 0
    outputs.write_table(folder / PRESENCE, ["image", *(f"class_{k}" for k in range(1, classes + 1))], rows)
    return size


class Cache:
    """Stored predictions, opened for reading.

    Raises:
        UserError: there are none in the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            text = (folder / PRESENCE).read_bytes().decode("utf-8")
            header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
            self.presence = {
                outputs.unescaped(image): np.array(list(map(int, values)), np.uint8) for image, *values in rows
            }
            whole = header[:1] == ["image"] and all(len(row) == len(header) for row in rows) and text.endswith("\n")
            whole = whole and len(self.presence) == len(rows) and (len(header) > 1 or not rows)
        except OSError:
            raise UserError(f"{folder}: expected stored probabilities, found none: run dvc repro") from None
        except (ValueError, OverflowError, csv.Error):
            whole = False
        if not whole:
            raise UserError(f"{folder / PRESENCE}: expected what infer writes, found another table: {AGAIN}")

    def __len__(self) -> int:
        return len(self.presence)

    def __getitem__(self, image: str) -> Prediction:
        """The prediction of one image.

        Raises:
            UserError: it is missing or damaged.
        """
        presence = self.presence.get(image)
        file = _file(self.folder, image)
        pixels = decode(file.read_bytes()) if file.is_file() else None
        if presence is None or pixels is None or pixels.shape[2] != len(presence):
            raise UserError(f"{file}: expected the probabilities of {image}, found none or damaged ones: {AGAIN}")
        return Prediction(pixels, presence)


def encode(pixels: UInt8) -> bytes:
    """Compress the levels of an image, uint8 (height, width, classes).

    Plane by plane, each row becomes its difference to the row above. Of every eight bytes a bit says whether they hold
    more than zeros; those that do follow. Shape, bits and bytes are one stream of zlib, whose checksum guards them.
    """
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    differences = np.zeros(-(-planes.size // _WORD.itemsize) * _WORD.itemsize, np.uint8)
    rows = differences[: planes.size].reshape(planes.shape)
    rows[:, :1] = planes[:, :1]
    np.subtract(planes[:, 1:], planes[:, :-1], out=rows[:, 1:])
    words = differences.view(_WORD)
    some = words != 0
    content = np.array(pixels.shape, _SHAPE).tobytes() + np.packbits(some).tobytes() + words[some].tobytes()
    stream = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    return stream.compress(content) + stream.flush()


def decode(raw: bytes) -> UInt8 | None:
    """The inverse of `encode`: a view whose memory is plane by plane, as post-processing needs it.

    None if the content is damaged.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(raw)
    except zlib.error:
        return None
    start = 3 * _SHAPE.itemsize
    height, width, classes = np.frombuffer(content[:start].ljust(start, b"\0"), _SHAPE).tolist()
    count = -(-height * width * classes // _WORD.itemsize)
    bits = np.frombuffer(content, np.uint8)[start : start - (-count // 8)]
    if not stream.eof or stream.unused_data or min(height, width, classes) < 1 or 8 * len(bits) < count:
        return None
    some = np.unpackbits(bits, count=count).view(np.bool_)
    words = np.zeros(count, _WORD)
    if len(content) != start + len(bits) + np.count_nonzero(some) * _WORD.itemsize:
        return None
    words[some] = np.frombuffer(content, _WORD, offset=start + len(bits))
    planes = words.view(np.uint8)[: height * width * classes].reshape(classes, height, width)
    for row in range(1, height):  # in a quarter of the time of np.add.accumulate
        planes[:, row] += planes[:, row - 1]
    return planes.transpose(1, 2, 0)


def _file(folder: Path, image: str) -> Path:
    return folder / f"{image}.bin"
