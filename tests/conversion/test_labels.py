"""Masks of one image: polygons, sizes that a label states, and photographs that EXIF turns."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from stages.conversion import image_files, labels
from stages.conversion.image_files import ImageKind
from stages.conversion.labels import LabelledImage, Pictures, Shape, Shapes, Size
from stages.pipeline.cli import UserError


def shapes(*numbers: float, size: Size | None = None, relative: bool = False) -> Shapes:
    """The label of one polygon."""
    return Shapes((Shape(1, (tuple(numbers),), None, "a.txt, line 1"),), "a.txt", size, relative)


def test_a_polygon_covers_as_many_pixels_as_its_area() -> None:
    """Wherever it lies, in pixels and in shares of the image; pixel 0 reaches from 0 to 1."""
    for left in range(8):
        corners = left, 1, left + 3, 1, left + 3, 5, left, 5
        ((class_id, mask),) = shapes(*corners).masks((8, 12))
        expected = np.zeros((8, 12), np.bool_)
        expected[1:5, left : left + 3] = True
        assert class_id == 1
        np.testing.assert_array_equal(mask, expected)
        shares = [number / (12, 8)[place % 2] for place, number in enumerate(corners)]
        ((_, mask),) = shapes(*shares, relative=True).masks((8, 12))
        np.testing.assert_array_equal(mask, expected)


def test_polygons_of_any_form() -> None:
    """A triangle by the centres of pixels, two squares that cross out what they share, and a line as its corners."""
    ((_, mask),) = shapes(0, 0, 4, 0, 0, 4).masks((4, 4))
    assert mask.astype(int).tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    ((_, mask),) = shapes(0, 0, 3, 0, 3, 3, 0, 3, 0, 0, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1).masks((3, 3))
    assert mask.astype(int).tolist() == [[1, 1, 1], [1, 0, 1], [1, 1, 1]]
    ((_, mask),) = shapes(1, 1, 3, 1, 3, 1).masks((4, 4))
    assert mask.astype(int).tolist() == [[0] * 4, [0, 1, 0, 1], [0] * 4, [0] * 4]


@pytest.mark.parametrize("corner", [1.5, -0.5, 20.0])
def test_a_share_outside_of_the_image_is_refused(corner: float) -> None:
    """Corners in pixels instead of shares, and objects that leave the image; a pixel more is rounding."""
    with pytest.raises(UserError, match=r"^a.txt, line 1: expected corners inside 10×20 pixels"):
        shapes(0, 0, corner, 0, 1, 1, relative=True).masks((10, 20))
    ((_, mask),) = shapes(0, 0, 1.01, 0, 1.01, 1, 0, 1, relative=True).masks((10, 20))
    assert mask[0].all()


@pytest.mark.parametrize("numbers", [[1, 2, 3, 4], [1] * 7, [1, 2, 3, 4, 5, float("nan")], [[1, 2], [3, 4], [5, 6]]])
def test_what_is_no_polygon(numbers: list[float]) -> None:
    """Too few corners, half a corner, no number, and pairs."""
    with pytest.raises(UserError, match="x: expected a polygon of at least 3 corners"):
        labels.polygon(numbers, "x")
    with pytest.raises(UserError, match="x: expected a polygon of numbers, found"):
        labels.polygon([1, 2, "three", 4, 5, 6], "x")


def test_a_label_of_another_size_is_refused() -> None:
    """Its corners would lie at other places, or by chance inside the image."""
    label = shapes(1, 0, 2, 0, 2, 1, size=(30, 40))
    assert len(label.masks((30, 40))) == 1
    with pytest.raises(UserError, match=r"a.txt: expected labels of an image of 3×4 .* as the image is, found 30×40$"):
        label.masks((3, 4))
    with pytest.raises(UserError, match=r"^x: expected height and width in whole pixels, found 3\.5 and 4$"):
        labels.stated_size(3.5, 4, "x")


SHOWN = np.array([[1, 1, 0], [0, 0, 0]], np.uint8)  # as viewers show the picture: height 2, width 3


def stored(orientation: int) -> np.ndarray:
    """The picture whose pixels viewers turn into `SHOWN`, found by trying all."""
    for turned in (np.rot90(array, turns) for array in (SHOWN, SHOWN.T) for turns in range(4)):
        picture = Image.fromarray(np.ascontiguousarray(turned))
        picture.getexif()[image_files.ORIENTATION] = orientation
        if np.array_equal(np.asarray(ImageOps.exif_transpose(picture)), SHOWN):
            return turned
    raise AssertionError(orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_label_drawn_on_the_turned_picture_is_turned_back(tmp_path: Path, orientation: int) -> None:
    """Where the label's size tells so; otherwise it is refused unless it is empty."""
    pixels = stored(orientation)
    kind = ImageKind(pixels.shape, deep=False, orientation=orientation)
    label = tmp_path / "a.png"
    Image.fromarray(SHOWN).save(label)
    one = LabelledImage(Path("a.jpg"), "a.jpg", Pictures(((label, 0),)))
    if 2 <= orientation <= 4:
        with pytest.raises(UserError, match=f"a.jpg: expected an upright image, found EXIF orientation {orientation}"):
            one.masks(kind)
        Image.fromarray(0 * SHOWN).save(label)
        assert one.masks(kind) == []
        return
    ((_, mask),) = one.masks(kind)
    np.testing.assert_array_equal(mask, pixels)


def test_a_label_drawn_on_the_stored_picture_stays() -> None:
    """Its size tells so too; a label without a size is refused."""
    kind = ImageKind((2, 3), deep=False, orientation=6)
    corners = (0, 0, 1, 0, 1, 1)
    ((_, mask),) = LabelledImage(Path("a.jpg"), "a.jpg", shapes(*corners, size=(2, 3))).masks(kind)
    assert mask.shape == (2, 3)
    with pytest.raises(UserError, match="its label fits the picture as stored and as viewers show it"):
        LabelledImage(Path("a.jpg"), "a.jpg", shapes(*corners)).masks(kind)
    with pytest.raises(UserError, match="found 9×9"):
        LabelledImage(Path("a.jpg"), "a.jpg", shapes(*corners, size=(9, 9))).masks(kind)
