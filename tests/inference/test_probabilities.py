"""Probabilities on disk."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

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
    assert size == sum(file.stat().st_size for file in (tmp_path / "images").glob("*.bin"))


def test_the_bytes_of_a_file() -> None:
    """Of an image of 2×3 in two classes: its shape, a bit for each eight differences between rows, those not all 0."""
    pixels = np.zeros((2, 3, 2), np.uint8)
    pixels[0, 0, 0], pixels[1, 0, 0], pixels[1, 2, 0] = 100, 99, 7
    shape, bits, differences = "02000000 03000000 02000000", "80", "64 00 00 ff 00 07 00 00"
    encoded = probabilities.encode(pixels)
    assert zlib.decompress(encoded) == bytes.fromhex(shape + bits + differences)
    np.testing.assert_array_equal(probabilities.decode(encoded), pixels)


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=3, max_dims=3, max_side=9)))
def test_any_levels_come_back(pixels: np.ndarray) -> None:
    """Whatever the size; plane by plane in memory."""
    found = probabilities.decode(probabilities.encode(pixels))
    np.testing.assert_array_equal(found, pixels)
    assert found is not None
    assert found.transpose(2, 0, 1).flags.c_contiguous


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=3, max_size=3), st.binary(max_size=40))
def test_a_content_that_is_none(shape: list[int], rest: bytes) -> None:
    """Another shape than that of the levels, or bytes too many or too few, is told, not drawn."""
    found = probabilities.decode(zlib.compress(np.array(shape, "<i4").tobytes() + rest))
    assert found is None or (found.shape == tuple(shape) and found.size <= 64 * len(rest))
    whole = probabilities.encode(np.ones((2, 3, 2), np.uint8))
    assert probabilities.decode(whole[:-1]) is probabilities.decode(whole + b"x") is probabilities.decode(b"") is None


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
    with pytest.raises(UserError, match=r"other.jpg.bin: expected the probabilities of other.jpg, found none"):
        found["other.jpg"]
    (tmp_path / "images/a b.jpg.bin").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a b.jpg.bin: expected the probabilities of a b.jpg, found none"):
        found["a b.jpg"]


@pytest.mark.parametrize(("height", "fits"), [(500_000, True), (500_001, False)])
def test_the_most_rows(height: int, fits: bool, tmp_path: Path) -> None:
    """Of two classes; more is refused, as by the stages before."""
    prediction = Prediction(np.ones((height, 1, 2), np.uint8), np.zeros(2, np.uint8))
    if fits:
        probabilities.write(tmp_path / "cache", [("a", prediction)])
        assert probabilities.Cache(tmp_path / "cache")["a"].pixels.shape == (height, 1, 2)
    else:
        with pytest.raises(UserError, match=r"a: expected at most 1,000,000 rows of probabilities"):
            probabilities.write(tmp_path / "cache", [("a", prediction)])
