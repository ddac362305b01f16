"""Photographs: what is read, what is refused, and work on many of them at once."""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.dataset import image_headers, images
from stages.dataset.layout import Images
from tests.support import competitions

# A left half of 40 and a right half of 200, 16×32 pixels: whole JPEG blocks, so that even a JPEG keeps it.
HALVES = np.repeat(np.array([[40, 200]], np.uint8), 16, axis=1).repeat(16, axis=0)


CUT_OFF = "expected a whole JPEG, found one that is cut off or damaged: Premature end of JPEG file"
SIZES_DIFFER = "; images of different sizes need competition.images.sizes: resized, padded or tiled"
DAMAGED = "expected a whole JPEG, found one that is cut off or damaged: Corrupt JPEG data: "


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


def test_colours_in_a_jpeg(tmp_path: Path) -> None:
    """Decoding to grey levels would hide them: a look at an eighth of the resolution does not."""
    colour = encoded(".jpg", cv2.merge([HALVES, np.full_like(HALVES, 90), 255 - HALVES]))
    assert images.is_coloured(colour)
    assert not images.is_coloured(encoded(".jpg", cv2.merge([HALVES] * 3)))
    assert images.read(written(tmp_path, "a.jpg", colour), 16, 32, Images(channels=3)).shape == (16, 32, 3)
    with pytest.raises(images.ImageError, match="found colours"):
        images.refuse_colours(colour, Path("a.jpg"))


def test_png_named_jpg(tmp_path: Path) -> None:
    """Contents decide, not the name."""
    np.testing.assert_array_equal(images.read(written(tmp_path, "a.jpg", encoded(".png", HALVES)), 16, 32), HALVES)


def test_exif_rotation_is_ignored(tmp_path: Path) -> None:
    """A JPEG that a viewer would turn by 90° is read as stored, since masks are drawn on stored pixels."""
    # APP1: Exif, big-endian TIFF, one entry in its directory: orientation (0x0112), a short, one value, 6.
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    jpeg = encoded(".jpg", HALVES)
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    path = written(tmp_path, "a.jpg", turned)
    assert cv2.imread(str(path)).shape == (32, 16, 3)  # the rotation is really there
    np.testing.assert_array_equal(images.read(path, 16, 32), HALVES)


def test_cut_off_jpeg(tmp_path: Path) -> None:
    """A JPEG without its end, which OpenCV would fill with grey, is refused, also when zeros take its place."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    whole = encoded(".jpg", noise)
    half = len(whole) // 2
    for content in (whole[:half], whole[:-2], whole[:half].ljust(len(whole), b"\0")):
        reported = message(written(tmp_path, "a.jpg", content), 64, 64)
        assert reported == CUT_OFF


def test_cut_off_jpeg_with_a_preview(tmp_path: Path) -> None:
    """The end of a preview inside a cut-off JPEG is not taken for the end of the image."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    whole, preview = encoded(".jpg", noise), encoded(".jpg", HALVES)
    whole = whole[:2] + b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview + whole[2:]
    path = written(tmp_path, "a.jpg", whole)
    assert images.read(path, 64, 64).shape == (64, 64)
    path.write_bytes(whole[:-2])
    assert message(path, 64, 64) == CUT_OFF


def test_a_jpeg_whose_only_end_stands_in_a_note(tmp_path: Path) -> None:
    """Its pixels have none, and foreign bytes at their end are found all the same."""
    whole = encoded(".jpg", HALVES)
    without = whole[:2] + b"\xff\xe1\x00\x06hi\xff\xd9" + whole[2:-2]
    reported = message(written(tmp_path, "a.jpg", without + b"\xff\x01"), 16, 32)
    assert reported == CUT_OFF


def test_jpeg_with_bytes_after_its_end(tmp_path: Path) -> None:
    """A few bytes after the end, as some cameras leave, harm nothing."""
    np.testing.assert_array_equal(
        images.read(written(tmp_path, "a.jpg", encoded(".jpg", HALVES) + bytes(100)), 16, 32), HALVES
    )


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


def photograph(channels: int = 1) -> bytes:
    """A JPEG of 256×512 pixels with texture, some 20 kB."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 512), dtype=np.uint8)
    return encoded(".jpg", cv2.merge([cv2.GaussianBlur(noise, (0, 0), 3)] * channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_with_a_hole(tmp_path: Path, channels: int) -> None:
    """A sector of zeros, as a failed disk leaves, which OpenCV decodes with a warning at most."""
    whole = photograph(channels)
    half = len(whole) // 2
    assert images.read(written(tmp_path, "a.jpg", whole), 256, 512).shape == (256, 512)
    reported = message(written(tmp_path, "a.jpg", whole[:half] + bytes(512) + whole[half + 512 :]), 256, 512)
    assert reported == DAMAGED + "premature end of data segment"


def test_a_jpeg_with_foreign_bytes_inside(tmp_path: Path) -> None:
    """A sector of something else holds a marker that no encoder writes into pixels."""
    whole, foreign = photograph(), np.random.default_rng(1).bytes(4096)
    half = len(whole) // 2
    reported = message(written(tmp_path, "a.jpg", whole[:half] + foreign + whole[half + 4096 :]), 256, 512)
    assert reported.startswith(DAMAGED)


@pytest.mark.parametrize("shape", [(1024, 1024), (1024, 1024, 3)])
@pytest.mark.parametrize("level", [0, 128])
def test_even_pictures_with_fitted_codes_are_not_holes(tmp_path: Path, level: int, shape: tuple[int, ...]) -> None:
    """A black picture whose encoder has fitted its codes may consist of zeros: that is no damage."""
    even = cv2.imencode(".jpg", np.full(shape, level, np.uint8), [cv2.IMWRITE_JPEG_OPTIMIZE, 1])[1].tobytes()
    assert bytes(512) in even
    assert (images.read(written(tmp_path, "a.jpg", even), 1024, 1024) == level).all()


@pytest.mark.parametrize(
    "options",
    [
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        (cv2.IMWRITE_JPEG_QUALITY, 100),
        (cv2.IMWRITE_JPEG_QUALITY, 1),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_whole_jpeg_is_read(tmp_path: Path, options: tuple[int, int], channels: int) -> None:
    """Progressive ones, fitted codes, restart markers, best and worst quality: none is taken for damaged."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 512, channels), dtype=np.uint8)
    content = cv2.imencode(".jpg", noise, options)[1].tobytes()
    assert images.read(written(tmp_path, "a.jpg", content), 256, 512).shape == (256, 512)


@pytest.mark.parametrize("kind", [cv2.IMWRITE_JPEG_PROGRESSIVE, cv2.IMWRITE_JPEG_OPTIMIZE])
@pytest.mark.parametrize("channels", [1, 3])
def test_opencv_gives_the_same_grey_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int, channels: int
) -> None:
    """Kaggle's machines have no simplejpeg: the notebook's pixels are those that the networks were trained on."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 512, channels), dtype=np.uint8)
    path = written(tmp_path, "a.jpg", cv2.imencode(".jpg", noise, (kind, 1))[1].tobytes())
    strict = images.read(path, 256, 512)
    monkeypatch.setattr(images, "simplejpeg", lambda: None)
    monkeypatch.setattr(image_headers, "simplejpeg", lambda: None)
    np.testing.assert_array_equal(images.read(path, 256, 512), strict)
    assert message(path, 256, 511).startswith("expected 256×511 pixels (competition.image_height, image_width), found ")


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


def test_jpegs_where_only_opencv_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the notebook: the size comes from the header, the pixels from OpenCV; other formats name what they need."""
    grey = np.random.default_rng(3).integers(0, 255, (40, 56), np.uint8)
    for name, progressive in (("a.jpg", 0), ("b.jpg", 1)):
        flags = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
        assert cv2.imwrite(str(tmp_path / name), grey, flags)
    assert cv2.imwrite(str(tmp_path / "c.bmp"), grey)
    expected = [images.read(tmp_path / name, 40, 56) for name in ("a.jpg", "b.jpg")]
    monkeypatch.setattr(image_headers, "simplejpeg", lambda: None)
    monkeypatch.setattr(images, "simplejpeg", lambda: None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    for name, pixels in zip(("a.jpg", "b.jpg"), expected, strict=True):
        assert images.size(tmp_path / name) == (40, 56)
        np.testing.assert_array_equal(images.read(tmp_path / name, 40, 56), pixels)
    with pytest.raises(images.ImageError, match=r"c.bmp: this image needs the package PIL, which is not installed$"):
        images.read(tmp_path / "c.bmp", 40, 56)
