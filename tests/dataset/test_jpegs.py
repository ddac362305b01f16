"""JPEGs: whole ones of every kind are read, damaged ones refused, with strict decoders and without."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import image_headers, images
from stages.dataset.layout import Images
from tests.support.pictures import HALVES, encoded, message, photograph, written

CUT_OFF = "expected a whole JPEG, found one that is cut off or damaged: Premature end of JPEG file"


DAMAGED = "expected a whole JPEG, found one that is cut off or damaged: Corrupt JPEG data: "


def test_colours_in_a_jpeg(tmp_path: Path) -> None:
    """Decoding to grey levels would hide them: a look at an eighth of the resolution does not."""
    colour = encoded(".jpg", cv2.merge([HALVES, np.full_like(HALVES, 90), 255 - HALVES]))
    assert images.is_coloured(colour)
    assert not images.is_coloured(encoded(".jpg", cv2.merge([HALVES] * 3)))
    assert images.read(written(tmp_path, "a.jpg", colour), 16, 32, Images(channels=3)).shape == (16, 32, 3)
    with pytest.raises(images.ImageError, match="found colours"):
        images.refuse_colours(colour, Path("a.jpg"))


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
    with pytest.raises(
        images.ImageError,
        match=r"c.bmp: this image needs the package pillow, which is not installed \(pip install pillow\)$",
    ):
        images.read(tmp_path / "c.bmp", 40, 56)
