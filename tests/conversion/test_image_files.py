"""What the header of an image says: size, depth, transparency and orientation."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.conversion import image_files
from stages.pipeline.cli import UserError


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_and_transparency(tmp_path: Path, suffix: str, channels: int, dtype: type) -> None:
    """Pillow opens colours of 16 bits as if they had 8."""
    file = tmp_path / f"a{suffix}"
    values: np.ndarray = np.full((4, 6, channels), 200, dtype)
    cv2.imwrite(str(file), values[..., 0] if channels == 1 else values)
    found = image_files.kind(file)
    assert (found.size, found.deep, found.alpha) == ((4, 6), dtype == np.uint16, channels == 4)
    assert image_files.largest_value(file) == 200


def test_the_largest_value_is_not_that_of_transparency(tmp_path: Path) -> None:
    """Opaque pixels have 65535 there, and would make the image dark."""
    values = np.full((4, 6, 4), (900, 800, 700, 65535), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    assert image_files.largest_value(tmp_path / "a.png") == 900


@pytest.mark.parametrize(("mode", "opaque"), [("RGBA", (9, 9, 9, 255)), ("LA", (9, 255))])
def test_transparent_pixels(tmp_path: Path, mode: str, opaque: tuple[int, ...]) -> None:
    """One that is not opaque counts; a channel of transparency without any does not."""
    picture = Image.new(mode, (4, 4), opaque)
    picture.save(tmp_path / "a.png")
    assert not image_files.is_transparent(tmp_path / "a.png")
    picture.putpixel((1, 1), (*opaque[:-1], 254))
    picture.save(tmp_path / "a.png")
    assert image_files.is_transparent(tmp_path / "a.png")


def test_orientation(tmp_path: Path) -> None:
    """The size is that of the stored pixels; viewers swap height and width."""
    exif = Image.Exif()
    exif[image_files.ORIENTATION] = 6
    Image.new("L", (6, 4)).save(tmp_path / "a.jpg", exif=exif)
    found = image_files.kind(tmp_path / "a.jpg")
    assert (found.size, found.orientation, found.shown_size) == ((4, 6), 6, (6, 4))
    Image.new("L", (6, 4)).save(tmp_path / "a.tif", exif=exif)
    with pytest.raises(UserError, match="expected a TIFF that is stored upright, found orientation 6"):
        image_files.kind(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 6), np.float32), "expected whole numbers, found floating-point numbers"),
        (np.full((4, 6), -3, np.int32), "expected values from 0 on, found -3"),
    ],
)
def test_numbers_that_are_no_levels(tmp_path: Path, values: np.ndarray, message: str) -> None:
    """Floating-point numbers between 0 and 1 would all become black, and so would negative ones."""
    cv2.imwrite(str(tmp_path / "a.tif"), values)
    read = image_files.kind if values.dtype == np.float32 else image_files.largest_value
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.tif")


def test_several_pages(tmp_path: Path) -> None:
    """Only the first would be read."""
    page = Image.new("L", (6, 4))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.raises(UserError, match="expected one image, found several pages in one file"):
        image_files.kind(tmp_path / "a.tif")


def test_names_that_share_a_file_on_some_system() -> None:
    """In different folders they get the folders' names, in one folder they are refused."""
    folder = Path("images")
    apart = [folder / "x/a.png", folder / "y/A.png", folder / "y/b.png"]
    assert list(image_files.stored_names(apart, folder).values()) == ["x_a.png", "y_A.png", "b.png"]
    with pytest.raises(UserError, match=r"images: expected file names that differ .* images/a.png and images/A.png: "):
        image_files.stored_names([folder / "a.png", folder / "A.png"], folder)


def test_a_name_that_is_too_long_for_a_file() -> None:
    """Its own, or with the folders before it; download would refuse what was written."""
    folder, name = Path("images"), "é" * 123 + ".png"
    assert image_files.stored_names([folder / name], folder)[folder / name] == name
    with pytest.raises(UserError, match=r"png: expected names of images of at most 251 bytes, found 252: rename it"):
        image_files.stored_names([folder / f"yy{name}"], folder)
    with pytest.raises(UserError, match=r"at most 251 bytes, found 256: rename it, or the folders before it"):
        image_files.stored_names([folder / "class" / name, folder / "other" / name], folder)
