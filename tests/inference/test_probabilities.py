"""Probabilities on disk."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.inference import probabilities
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction


def predictions() -> dict[str, Prediction]:
    """Two images of 3×5 in two classes; names with a space and in another script."""
    random = np.random.default_rng(0)
    return {
        name: Prediction(random.integers(0, 256, (3, 5, 2)).astype(np.uint8), np.array([number, 255], np.uint8))
        for number, name in enumerate(("a b.jpg", "鋼.png"))
    }


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    """Every level of every class and pixel, and the presence; the size returned is that of the files."""
    stored = predictions()
    size = probabilities.write(tmp_path / "images", stored.items())
    found = probabilities.Cache(tmp_path / "images")
    assert len(found) == 2
    for name, prediction in stored.items():
        np.testing.assert_array_equal(found[name].pixels, prediction.pixels)
        np.testing.assert_array_equal(found[name].presence, prediction.presence)
    assert size == sum(file.stat().st_size for file in (tmp_path / "images").glob("*.png"))


def test_classes_stand_below_one_another(tmp_path: Path) -> None:
    """In a viewer: class 1 at the top, class 2 below it, grey."""
    pixels = np.zeros((2, 3, 2), np.uint8)
    pixels[0, 0, 0], pixels[1, 2, 1] = 100, 200
    probabilities.write(tmp_path / "images", [("x.jpg", Prediction(pixels, np.zeros(2, np.uint8)))])
    seen = cv2.imread(str(tmp_path / "images/x.jpg.png"), cv2.IMREAD_UNCHANGED)
    assert seen.tolist() == [[100, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 200]]


def test_even_images_take_little_room(tmp_path: Path) -> None:
    """The probabilities of a clean photograph of 256×1600 in four classes, 1.6 MB in memory, take less than 10 kB."""
    clean = Prediction(np.zeros((256, 1600, 4), np.uint8), np.zeros(4, np.uint8))
    assert probabilities.write(tmp_path / "images", [("x.jpg", clean)]) < 10_000


def test_missing_probabilities_are_reported(tmp_path: Path) -> None:
    """No folder, an image that was not stored, a damaged file."""
    with pytest.raises(UserError, match="images: expected stored probabilities, found none: run dvc repro"):
        probabilities.Cache(tmp_path / "images")
    probabilities.write(tmp_path / "images", predictions().items())
    found = probabilities.Cache(tmp_path / "images")
    with pytest.raises(UserError, match=r"other.jpg.png: expected the probabilities of other.jpg, found none"):
        found["other.jpg"]
    (tmp_path / "images/a b.jpg.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a b.jpg.png: expected the probabilities of a b.jpg, found none"):
        found["a b.jpg"]


@pytest.mark.parametrize(("height", "fits"), [(500_000, True), (500_001, False)])
def test_the_most_rows_that_a_png_has(height: int, fits: bool, tmp_path: Path) -> None:
    """Of two classes; more is refused instead of written as nothing."""
    prediction = Prediction(np.ones((height, 1, 2), np.uint8), np.zeros(2, np.uint8))
    if fits:
        probabilities.write(tmp_path / "cache", [("a", prediction)])
        assert probabilities.Cache(tmp_path / "cache")["a"].pixels.shape == (height, 1, 2)
    else:
        with pytest.raises(UserError, match=r"a: expected at most 1,000,000 rows of probabilities"):
            probabilities.write(tmp_path / "cache", [("a", prediction)])
