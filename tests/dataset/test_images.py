"""Photographs: what is read, what is refused, and work on many of them at once."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.dataset import images
from stages.dataset.layout import Images
from tests.support import competitions
from tests.support.pictures import HALVES, encoded, message, written

SIZES_DIFFER = "; images of different sizes need competition.images.sizes: resized, padded or tiled"


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png"])
def test_grey_levels_are_read(tmp_path: Path, suffix: str) -> None:
    """A grey image has its levels, one byte a pixel, height before width."""
    image = images.read(written(tmp_path, f"a{suffix}", encoded(suffix, HALVES)), 16, 32)
    assert (image.shape, image.dtype) == ((16, 32), np.uint8)
    np.testing.assert_array_equal(image, HALVES)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_grey_stored_as_colour(tmp_path: Path, suffix: str) -> None:
    """Three equal channels, as the competition stores them, become the one grey level that they share."""
    colour = cv2.merge([HALVES, HALVES, HALVES])
    np.testing.assert_array_equal(images.read(written(tmp_path, f"a{suffix}", encoded(suffix, colour)), 16, 32), HALVES)


def test_transparent_and_16_bit_images(tmp_path: Path) -> None:
    """An alpha channel is left out; 16 bits become 8 by the mapping that is stated, and are refused without one."""
    opaque = cv2.merge([HALVES, HALVES, HALVES, np.zeros_like(HALVES)])
    np.testing.assert_array_equal(images.read(written(tmp_path, "a.png", encoded(".png", opaque)), 16, 32), HALVES)
    deep = written(tmp_path, "b.png", encoded(".png", HALVES.astype(np.uint16) * 10))
    assert message(deep).startswith(
        "expected 8 bits per channel, found uint16 with values of 400 … 2000: set competition."
    )
    np.testing.assert_array_equal(images.read(deep, 16, 32, Images(levels=(0, 2550))), HALVES)
    bright = images.read(deep, 16, 32, Images(levels=(400, 1200)))
    assert (bright.min(), bright.max()) == (0, 255)  # what lies beyond is cut
    shallow = written(tmp_path, "c.png", encoded(".png", HALVES))
    with pytest.raises(images.ImageError, match="expected more than 8 bits per channel"):
        images.read(shallow, 16, 32, Images(levels=(0, 2550)))


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp"])
def test_colours(tmp_path: Path, suffix: str) -> None:
    """Refused where grey is expected, turned to grey only if that is stated, and kept as red, green, blue."""
    blue, green, red = HALVES, np.full_like(HALVES, 90), 255 - HALVES
    path = written(tmp_path, f"a{suffix}", encoded(suffix, cv2.merge([blue, green, red])))
    assert message(path).startswith(
        "expected grey levels (competition.images.channels: 1), found colours: set channels to 3"
    )
    np.testing.assert_array_equal(images.read(path, 16, 32, Images(channels=3)), np.dstack([red, green, blue]))
    grey = images.read(path, 16, 32, Images(grey_from_colour=True))
    np.testing.assert_array_equal(grey, cv2.cvtColor(np.dstack([red, green, blue]), cv2.COLOR_RGB2GRAY))
    plain = written(tmp_path, f"b{suffix}", encoded(suffix, HALVES))
    np.testing.assert_array_equal(images.read(plain, 16, 32, Images(channels=3)), np.dstack([HALVES] * 3))


def test_png_named_jpg(tmp_path: Path) -> None:
    """Contents decide, not the name."""
    np.testing.assert_array_equal(images.read(written(tmp_path, "a.jpg", encoded(".png", HALVES)), 16, 32), HALVES)


def test_cut_off_png(tmp_path: Path) -> None:
    """A PNG cut anywhere is refused."""
    whole = encoded(".png", np.random.default_rng(0).integers(0, 256, (16, 32), dtype=np.uint8))
    assert message(written(tmp_path, "a.png", whole[:20])) == "expected a PNG, found 20 bytes without a readable header"
    for length in (len(whole) // 2, len(whole) - 14):
        assert message(written(tmp_path, "a.png", whole[:length])) == (
            "expected a whole PNG, found one that is cut off or damaged: a part whose checksum is wrong"
        )


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>Sign in</html>", b"GIF89a"])
def test_no_image_at_all(tmp_path: Path, content: bytes) -> None:
    """An empty file, text, a page in the place of a download and other formats are refused with their size."""
    reported = message(written(tmp_path, "a.jpg", content))
    known = "JPEG, PNG, TIFF, BMP, DICOM"
    assert reported == f"expected one of {known}, found {len(content)} bytes that begin as none of them"


@pytest.mark.parametrize("suffix", [".bmp", ".tiff"])
def test_other_formats(tmp_path: Path, suffix: str) -> None:
    """A BMP and a TIFF, with packed rows too, are read; another size is seen in the header."""
    path = written(tmp_path, f"a{suffix}", encoded(suffix, HALVES))
    np.testing.assert_array_equal(images.read(path, 16, 32), HALVES)
    with pytest.raises(images.ImageError, match=r"expected 16×33 pixels .*found 16×32"):
        images.read(path, 16, 33)
    Image.fromarray(HALVES).save(tmp_path / "b.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(images.read(tmp_path / "b.tif", 16, 32), HALVES)


def test_a_tiff_of_several_pages(tmp_path: Path) -> None:
    """Which page would be the image? Refused."""
    Image.fromarray(HALVES).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(HALVES)])
    assert message(tmp_path / "a.tif").startswith("expected a TIFF, found ")


@pytest.mark.parametrize("kind", ["JPEG inside", "16 bits", "larger is darker"])
def test_dicom(tmp_path: Path, kind: str) -> None:
    """A frame as JPEG; 16 bits by the stated mapping; values of which the largest is black."""
    pytest.importorskip("pydicom")
    path = tmp_path / "a.dcm"
    if kind == "JPEG inside":
        path.write_bytes(competitions.dicom(HALVES))
        np.testing.assert_array_equal(images.read(path, 16, 32), HALVES)
        return
    values = HALVES.astype(np.uint16) * 10
    stored = 4095 - values if kind == "larger is darker" else values
    path.write_bytes(competitions.plain_dicom(stored, b"MONOCHROME1" if kind == "larger is darker" else b"MONOCHROME2"))
    assert "expected 8 bits per channel, found" in message(path)
    np.testing.assert_array_equal(images.read(path, 16, 32, Images(levels=(0, 2550))), HALVES)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xd9", b"\xff\xd8" + bytes(20) + b"\xff\xd9"])
def test_a_beginning_and_no_more(tmp_path: Path, content: bytes) -> None:
    """What begins as an image and holds none is refused."""
    reported = message(written(tmp_path, "a.jpg", content))
    assert reported.endswith(f", found {len(content)} bytes without a readable header")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """A file that cannot be opened is reported with the reason."""
    assert message(tmp_path / "a.jpg") == "expected an image, found no readable file (No such file or directory)"
    (tmp_path / "b.jpg").mkdir()
    assert message(tmp_path / "b.jpg") == "expected an image, found no readable file (Is a directory)"


@pytest.mark.parametrize("size", [(32, 16), (15, 32), (16, 33)])
def test_wrong_size(tmp_path: Path, size: tuple[int, int]) -> None:
    """Another size, height and width exchanged included, is reported with both."""
    reported = message(written(tmp_path, "a.jpg", encoded(".jpg", HALVES)), *size)
    expected = f"{size[0]}×{size[1]} pixels (competition.image_height, image_width)"
    assert reported == f"expected {expected}, found 16×32{SIZES_DIFFER}"


def test_size_from_the_header(tmp_path: Path) -> None:
    """Height comes first, also behind a preview of another size; what is no image, or is not there, has none."""
    preview, whole = encoded(".jpg", HALVES), encoded(".jpg", np.zeros((24, 40), np.uint8))
    whole = whole[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview + whole[2:]
    assert images.size(written(tmp_path, "a.jpg", whole)) == (24, 40)
    assert images.size(written(tmp_path, "a.png", encoded(".png", np.zeros((3, 5), np.uint8)))) == (3, 5)
    assert images.size(written(tmp_path, "b.png", b"no image")) is None
    assert images.size(tmp_path / "none.png") is None


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_of_absurd_size_is_not_decoded(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000×10,000 pixels, stated in the header alone, are refused without being decoded."""
    content = bytearray(encoded(suffix, HALVES))
    place = content.index(b"\xff\xc0") + 5 if suffix == ".jpg" else 20
    step = 2 if suffix == ".jpg" else -4  # height and width; a PNG has the width first
    length = abs(step)
    for start in (place, place + step):
        content[start : start + length] = (10_000).to_bytes(length, "big")
    monkeypatch.setattr(cv2, "imdecode", None)
    reported = message(written(tmp_path, f"a{suffix}", bytes(content)))
    assert reported == "expected 16×32 pixels (competition.image_height, image_width), found 10000×10000" + SIZES_DIFFER


def test_a_file_of_absurd_length_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than any encoding of so many pixels needs, and much beside it, are not read into memory."""
    monkeypatch.setattr(images, "LARGEST_EXTRAS", 1000)
    whole = encoded(".jpg", HALVES)
    reported = message(written(tmp_path, "a.jpg", whole.ljust(8 * 16 * 32 + 1001, b"\0")))
    assert reported == "expected an image of at most 5,096 bytes, found 5,097"


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([encoded(".jpg", HALVES), encoded(".png", HALVES)]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=3)), max_size=4),
    st.integers(0, 40),
)
def test_altered_files_are_read_or_reported(whole: bytes, changes: list[tuple[int, bytes]], lost: int) -> None:
    """Whatever bytes are altered or lost, an image of the right size comes out or an `ImageError` of one line."""
    content = bytearray(whole)
    for place, new in changes:
        content[place % len(whole) : place % len(whole) + len(new)] = new
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), "a.jpg", bytes(content[: len(content) - lost]))
        reported, image = None, None
        try:
            image = images.read(path, 16, 32)
        except images.ImageError as error:
            reported = str(error)
        assert (
            (image is not None and image.shape == (16, 32))
            if reported is None
            else reported.startswith(f"{path}: expected ")
        )


def test_listing(tmp_path: Path) -> None:
    """Images are listed by name, in one order everywhere, and other files are left out."""
    for name in ("b.jpg", "a.JPG", "c.png", "d.jpeg", "Thumbs.db", "notes.txt", "B.jpg", "jpg"):
        (tmp_path / name).touch()
    assert images.listing(tmp_path) == ["B.jpg", "a.JPG", "b.jpg", "c.png", "d.jpeg"]


def test_a_tiff_with_transparent_pixels(tmp_path: Path) -> None:
    """OpenCV multiplies their colours by alpha: refused; opaque ones are read as stored."""
    from PIL import Image

    pixels = np.full((4, 6, 4), (200, 200, 200, 255), np.uint8)
    for mode, channels in (("RGBA", np.s_[:]), ("LA", np.s_[2:])):
        for alpha in (255, 100):
            pixels[1, 2, 3] = alpha
            path = tmp_path / f"{mode}_{alpha}.tif"
            Image.fromarray(np.ascontiguousarray(pixels[..., channels]), mode).save(path)
            form = Images(channels=3 if mode == "RGBA" else 1)
            if alpha == 255:
                assert (images.read(path, 4, 6, form) == 200).all()
            else:
                with pytest.raises(images.ImageError, match="TIFF of another kind, found one with transparent pixels"):
                    images.read(path, 4, 6, form)


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    """NaN has no grey level, not even black."""
    values = np.full((4, 6), 0.5, np.float32)
    form = Images(levels=(0, 1))
    path = tmp_path / "a.tif"
    assert cv2.imwrite(str(path), values)
    assert (images.read(path, 4, 6, form) == 128).all()
    values[1, 2] = np.nan
    assert cv2.imwrite(str(path), values)
    with pytest.raises(images.ImageError, match="expected finite values, found NaN or infinity"):
        images.read(path, 4, 6, form)


def test_signed_values_that_are_darker_the_larger_they_are(tmp_path: Path) -> None:
    """12 bits from -2048, which is white then, to 2047."""
    import io

    import pydicom

    stored = np.array([[-2048, -1, 0, 2047]], np.int16)
    content = pydicom.dcmread(io.BytesIO(competitions.plain_dicom(stored.view(np.uint16), b"MONOCHROME1")))
    content.PixelRepresentation = 1
    path = tmp_path / "a.dcm"
    content.save_as(path)
    found = images.read(path, 1, 4, Images(levels=(-2048, 2047)))
    assert found.tolist() == [[255, 128, 127, 0]]
