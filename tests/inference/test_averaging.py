"""From batches of images to averaged, rounded predictions, with networks of NumPy."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stages.dataset.layout import Images, Layout
from stages.inference import averaging
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError


def brightness(grey: UInt8) -> tuple[Float32, Float32]:
    """A network that calls bright pixels class 1 and dark ones class 2."""
    one = grey.astype(np.float32) / np.float32(255)
    pixels = np.stack([one, np.float32(1) - one], axis=-1)
    return pixels, pixels.max(axis=(1, 2))


def test_networks_and_views_are_averaged_in_order() -> None:
    """Two networks, mirror images, a last batch that is not full: each image is returned once, in its place."""
    random = np.random.default_rng(0)
    photographs = [random.integers(0, 256, (37, 7)).astype(np.uint8) for _ in range(23)]

    def half(grey: UInt8) -> tuple[Float32, Float32]:
        pixels, presence = brightness(grey)
        return pixels / np.float32(2), presence / np.float32(2)

    found = list(averaging.predictions([brightness, half], photographs, 4, flips=True))
    for image, prediction in zip(photographs, found, strict=True):
        np.testing.assert_allclose(prediction.pixels[..., 0], image * 0.75, atol=0.51)
        np.testing.assert_allclose(prediction.presence[0], image.max() * 0.75, atol=0.51)


def test_a_batch_is_rounded_while_the_networks_see_the_next() -> None:
    """The first prediction is given when the second batch has been seen, not the third."""
    seen = []

    def network(grey: UInt8) -> tuple[Float32, Float32]:
        seen.append(len(grey))
        return brightness(grey)

    found = averaging.predictions([network], [np.zeros((2, 2), np.uint8)] * 9, 2)
    next(found)
    assert seen == [2, 2]
    assert len(list(found)) == 8


def test_the_output_of_a_network_is_not_changed() -> None:
    """Its arrays may be the engine's own memory: averages are computed elsewhere."""
    given = np.full((1, 2, 2, 1), 0.5, np.float32), np.full((1, 1), 0.5, np.float32)
    for part in given:
        part.flags.writeable = False
    (mean,) = averaging.predictions([lambda _: given, lambda _: given], [np.zeros((2, 2), np.uint8)], 1, flips=True)
    np.testing.assert_array_equal(mean.pixels, 128)  # 127.5, rounded to the even number
    np.testing.assert_array_equal(given[0], 0.5)


def test_few_images_are_held_at_a_time() -> None:
    """Images are read when the networks need them, two batches at most: memory stays flat."""
    read = []

    def photographs() -> Iterator[UInt8]:
        for number in range(1000):
            read.append(number)
            yield np.zeros((2, 2), np.uint8)

    found = averaging.predictions([brightness], photographs(), 4)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert len(read) == 8


def test_a_folder_without_a_network_is_reported(tmp_path: Path) -> None:
    """The message says what to do."""
    with pytest.raises(UserError, match="fold_0: expected the network that train writes, found none: run dvc repro"):
        averaging.check(tmp_path / "fold_0")


def test_images_cut_into_tiles_are_seen_whole() -> None:
    """A network that looks at single pixels gives the same answer for an image and for its tiles, whatever its size;
    a class is in the image as surely as in the tile that is surest of it."""
    random = np.random.default_rng(0)
    photographs = [random.integers(0, 256, size).astype(np.uint8) for size in ((8, 8), (37, 9), (8, 61), (20, 20))]
    layout = Layout(("bright", "dark"), 8, 8, images=Images(sizes="tiled"))
    shapes = []

    def network(grey: UInt8) -> tuple[Float32, Float32]:
        shapes.append(grey.shape)
        return brightness(grey)

    found = list(averaging.of_images([network], iter(photographs), layout, 3))
    assert set(shapes) == {(3, 8, 8)}
    for image, prediction in zip(photographs, found, strict=True):
        (whole,) = averaging.predictions([brightness], [image], 1)
        np.testing.assert_array_equal(prediction.pixels, whole.pixels)
        np.testing.assert_array_equal(prediction.presence, whole.presence)


@pytest.mark.parametrize("classes", [1, 4, 128, 129, 254])
def test_any_number_of_classes(classes: int) -> None:
    """Also more than OpenCV splits at a time; each class keeps its own level."""
    levels = np.arange(classes, dtype=np.float32) / 255

    def network(images: UInt8) -> tuple[Float32, Float32]:
        return np.broadcast_to(levels, (*images.shape[:3], classes)), np.zeros((len(images), classes), np.float32)

    (found,) = averaging.predictions([network], [np.zeros((2, 3), np.uint8)], 1)
    assert found.pixels.shape == (2, 3, classes)
    assert (found.pixels == np.arange(classes)).all()
