"""Small image files, and the messages about those that cannot be read."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import images

# A left half of 40 and a right half of 200, 16×32 pixels: whole JPEG blocks, so that even a JPEG keeps it.
HALVES = np.repeat(np.array([[40, 200]], np.uint8), 16, axis=1).repeat(16, axis=0)


def encoded(suffix: str, image: np.ndarray) -> bytes:
    """An image file's bytes."""
    return cv2.imencode(suffix, image)[1].tobytes()


def written(folder: Path, name: str, content: bytes) -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


def message(path: Path, height: int = 16, width: int = 32) -> str:
    """The message about a file that cannot be read."""
    with pytest.raises(images.ImageError) as reported:
        images.read(path, height, width)
    return str(reported.value).removeprefix(f"{path}: ")


def photograph(channels: int = 1) -> bytes:
    """A JPEG of 256×512 pixels with texture, some 20 kB."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 512), dtype=np.uint8)
    return encoded(".jpg", cv2.merge([cv2.GaussianBlur(noise, (0, 0), 3)] * channels))
