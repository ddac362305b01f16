"""From batches of images to averaged, rounded predictions, with networks of NumPy."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stages.dataset.layout import Images, Layout
from stages.inference import averaging
from stages.inference.averaging import Views
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

    found = list(averaging.predictions([brightness, half], photographs, 4, Views(flips=True)))
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
    (mean,) = averaging.predictions(
        [lambda _: given, lambda _: given], [np.zeros((2, 2), np.uint8)], 1, Views(flips=True)
    )
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


def by_height(answers: dict[int, float]) -> averaging.Network:
    """A network whose answer depends on the height of what it sees alone."""

    def network(images: UInt8) -> tuple[Float32, Float32]:
        answer = np.float32(answers[images.shape[1]])
        return np.full((*images.shape[:3], 2), answer, np.float32), np.full((len(images), 2), answer, np.float32)

    return network


def test_scales_are_averaged() -> None:
    """0.2 at the image's own size and 0.6 at half of it: 0.4 is level 102, also with flips and two networks."""
    networks = [by_height({64: 0.1, 32: 0.6}), by_height({64: 0.3, 32: 0.6})]
    for flips in (False, True):
        views = Views(flips, (1.0, 0.5))
        (found,) = averaging.predictions(networks, [np.zeros((64, 96), np.uint8)], 2, views)
        assert (found.pixels.shape, np.unique(found.pixels).tolist()) == ((64, 96, 2), [102])
        assert found.presence.tolist() == [102, 102]


def test_at_scale_1_nothing_is_resized() -> None:
    """The bytes are those without scales, for sides that no 32 divides."""
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (37, 7)).astype(np.uint8) for _ in range(5)]
    plain, one = (
        list(averaging.predictions([brightness], images, 2, views)) for views in (Views(), Views(scales=(1,)))
    )
    for before, after in zip(plain, one, strict=True):
        np.testing.assert_array_equal(before.pixels, after.pixels)
        np.testing.assert_array_equal(before.presence, after.presence)
        assert before.pixels.strides == after.pixels.strides


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_what_comes_back_stays_in_its_place(scale: float) -> None:
    """A bright rectangle, seen smaller or larger, is where it was; its edges are soft."""
    image = np.zeros((64, 128), np.uint8)
    image[16:48, 32:96] = 255
    (found,) = averaging.predictions([brightness], [image], 1, Views(scales=(scale,)))
    assert found.pixels[20:44, 36:92, 0].min() == 255
    assert found.pixels[image == 0, 1].mean() > 250
    for axis in (0, 1):
        np.testing.assert_allclose(found.pixels, np.flip(found.pixels, axis), atol=1)


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((200, 200), 1.0, (200, 200)),  # as it is, though 32 does not divide it
        ((200, 200), 0.75, (160, 160)),
        ((256, 1600), 0.75, (192, 1216)),
        ((256, 1600), 1.25, (320, 1984)),
        ((40, 72), 0.25, (32, 32)),  # one multiple is the least
    ],
)
def test_sides_are_multiples_of_32(size: tuple[int, int], scale: float, expected: tuple[int, int]) -> None:
    """The nearest ones, and the network is called with images of that size."""
    assert averaging.scaled(size, scale) == expected
    seen = []

    def network(images: UInt8) -> tuple[Float32, Float32]:
        seen.append(images.shape)
        return brightness(images[..., 0])

    image = np.zeros((*size, 3), np.uint8)
    (found,) = averaging.predictions([network], [image], 1, Views(scales=(scale,)))
    assert (seen, found.pixels.shape) == ([(1, *expected, 3)], (*size, 2))


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
