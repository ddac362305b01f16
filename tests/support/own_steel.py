"""A folder of images and a folder of drawn labels, and the command that converts them."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.pipeline import cli

ROOT = Path(__file__).parents[2]
PREFIXES = ["--class-prefixes", "In", "Pa"]
HALF = ["--test-share", "0.5"]

# 64×128 pixels, large enough for textures that tell near-duplicates apart. For each image, the rectangle (top, bottom,
# left, right) that is white; bottom and right are exclusive.
DRAWN = {
    "In_1": (0, 2, 0, 1),  # the first pixel and the one below it: "1 2"
    "In_2": (63, 64, 127, 128),  # the last pixel: "8192 1"
    "Pa_1": (0, 64, 1, 2),  # the second column: "65 64"
    "Pa_2": (3, 4, 0, 2),  # "4 1 68 1"
}
RUNS = {"In_1": "1 2", "In_2": "8192 1", "Pa_1": "65 64", "Pa_2": "4 1 68 1"}


def drawn(stem: str, value: int) -> np.ndarray:
    """The label of an image, with its rectangle in this value."""
    top, bottom, left, right = DRAWN[stem]
    levels = np.zeros((64, 128), np.uint8)
    levels[top:bottom, left:right] = value
    return levels


def make(folder: Path) -> None:
    """Two folders, images and labels, beside the project's params.yaml; noise, a BMP among JPEGs and PNGs."""
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for number, (stem, suffix) in enumerate(zip(DRAWN, (".jpg", ".bmp", ".png", ".jpg"), strict=True)):
        noise = np.random.default_rng(number).integers(0, 250, (64, 128)).astype(np.uint8)
        cv2.imwrite(str(folder / f"images/{stem}{suffix}"), noise)
        cv2.imwrite(str(folder / f"labels/{stem}.png"), drawn(stem, 255))


def run(*words: str) -> None:
    """The command, on the two folders."""
    cli.run_command("convert", ["--images", "images", "--labels", "labels", *words])


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says when it ends with exit status 1."""
    with pytest.raises(SystemExit) as stopped:
        run(*words)
    assert str(stopped.value.code).startswith("convert: ")
    capsys.readouterr()
    return str(stopped.value.code)


def with_test_images() -> list[str]:
    """Options that bring a folder of one test image, so that all others are training images."""
    Path("more").mkdir()
    cv2.imwrite("more/t.bmp", np.arange(64 * 128).reshape(64, 128) % 251)
    return ["--test-images", "more"]
