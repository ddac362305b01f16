"""Images whose damage decoders fill up without an error: refused, at once where nobody can tell."""

import io
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.conversion import image_files, label_pictures
from stages.dataset import images
from stages.dataset.images import ImageError
from stages.dataset.layout import Images
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from tests.support import competitions

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
GREY = np.asarray(cv2.GaussianBlur(NOISE, (0, 0), 2), np.uint8)
COLOURS = np.dstack([GREY, GREY[::-1], GREY])


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A file of this image."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_runs(rows: list[bytes], width: int) -> bytes:
    """A grey BMP of run lengths, the lowest row first."""
    pixels = b"".join(row + b"\0\0" for row in rows) + b"\0\1"
    palette = b"".join(bytes([level, level, level, 0]) for level in range(256))
    header = [40, width, len(rows), 1 | 8 << 16, 1, len(pixels), 0, 0, 256, 0]
    start = 14 + 40 + len(palette)
    file = [start + len(pixels), 0, start]
    return b"BM" + b"".join(number.to_bytes(4, "little") for number in file + header) + palette + pixels


@pytest.mark.parametrize("image", [GREY, COLOURS])
def test_a_jpeg_within_a_tiff(image: UInt8) -> None:
    """Read while it is whole; a hole of 32 zeros is what libjpeg only warns about."""
    raw, form = saved(Image.fromarray(image), "TIFF", compression="jpeg"), Images(channels=3)
    assert images.native(raw, Path("a.tif"), form).shape == (40, 60, 3)
    with Image.open(io.BytesIO(raw)) as picture:
        start, length = picture.tag_v2[273][0], picture.tag_v2[279][0]  # type: ignore[attr-defined]
    hole = start + length * 2 // 3
    with pytest.raises(ImageError, match=r"a.tif: expected a whole TIFF, found one that is cut off or damaged: \w+"):
        images.native(raw[:hole] + bytes(32) + raw[hole + 32 :], Path("a.tif"), form)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_a_fax(compression: str, tmp_path: Path) -> None:
    """Its decoder draws on after any damage; so is it for labels."""
    raw = saved(Image.fromarray(GREY > 127), "TIFF", compression=compression)
    expected = "fax compression, whose damage cannot be told: store it with LZW"
    with pytest.raises(ImageError, match=f"a.tif: expected a TIFF of another kind, found one with {expected}"):
        images.native(raw, Path("a.tif"), Images())
    (tmp_path / "a.tif").write_bytes(raw)
    with pytest.raises(UserError, match=expected):
        label_pictures.label_map(tmp_path / "a.tif", 1)


def test_a_bmp_of_run_lengths(tmp_path: Path) -> None:
    """A row that ends early is filled up with black."""
    raw = with_runs([b"\4\x50", b"\2\x50"], 4)
    assert np.asarray(cv2.imdecode(np.frombuffer(raw, np.uint8), 0)).tolist() == [[80, 80, 0, 0], [80] * 4]
    with pytest.raises(ImageError, match=r"a.bmp: expected a BMP of another kind, found one with run lengths"):
        images.native(raw, Path("a.bmp"), Images())
    (tmp_path / "a.bmp").write_bytes(raw)
    with pytest.raises(UserError, match=r"a.bmp: expected a label, found no readable picture \(run lengths"):
        label_pictures.label_map(tmp_path / "a.bmp", 1)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "bmp"])
def test_a_damaged_label(kind: str, tmp_path: Path) -> None:
    """Cut off anywhere, or with a hole if it is compressed: refused, or the same."""
    image = Image.fromarray(np.where(GREY > 127, 255, 0).astype(np.uint8))
    options = {"tif": {"compression": "tiff_adobe_deflate"}}.get(kind, {})
    raw = saved(image, {"jpg": "JPEG", "tif": "TIFF"}.get(kind, kind.upper()), **options)
    path, middle = tmp_path / f"a.{kind}", 2 * len(raw) // 3
    path.write_bytes(raw)
    whole, refused = label_pictures.label_map(path, 1), []
    holed = raw[:middle] + bytes(40) + raw[middle + 40 :]
    cut = [raw[:length] for length in range(8, len(raw) - 1, max(1, len(raw) // 40))]
    for damaged in [*cut, *([] if kind == "bmp" else [holed])]:
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(label_pictures.label_map(path, 1), whole)  # only the last tags are missing
        except UserError as error:
            refused.append(str(error))
    assert len(refused) >= 40
    assert all(f"a.{kind}: expected a label, found no readable picture" in each for each in refused)


def test_dicom_of_run_lengths() -> None:
    """What does not fit a segment is no padding, but the sign of another length in it."""
    pydicom = pytest.importorskip("pydicom")
    content = pydicom.dcmread(io.BytesIO(competitions.plain_dicom(GREY.astype(np.uint16), b"MONOCHROME2")))
    content.compress(pydicom.uid.RLELossless)
    stream = io.BytesIO()
    content.save_as(stream)
    raw, form = stream.getvalue(), Images(levels=(0, 255))
    np.testing.assert_array_equal(images.native(raw, Path("a.dcm"), form), GREY)
    place = raw.index(bytes.fromhex("e07f1000")) + 100  # the pixels' tag, then the two headers of the frame
    with pytest.raises(ImageError, match=r"a.dcm: expected a whole DICOM, found one that is cut off or damaged"):
        images.native(raw[:place] + bytes([50] * 60) + raw[place + 60 :], Path("a.dcm"), form)


def test_the_size_of_dicom_without_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where sizes differ, headers are read first."""
    monkeypatch.setitem(sys.modules, "pydicom", None)
    (tmp_path / "a.dcm").write_bytes(competitions.dicom(GREY))
    with pytest.raises(UserError, match=r"a.dcm: this DICOM image needs the package pydicom, .* \(pip install pydicom"):
        images.size(tmp_path / "a.dcm")


def test_many_pixels(tmp_path: Path) -> None:
    """More than Pillow's limit of 178 million are allowed; the sides are limited, by one message."""
    path = tmp_path / "a.png"
    Image.new("1", (13_500, 13_500)).save(path)
    assert image_files.kind(path).size == label_pictures.size(path) == images.size(path) == (13_500, 13_500)
    Image.new("1", (40_000, 2)).save(path)
    for read in (image_files.kind, label_pictures.size):
        with pytest.raises(UserError, match=r"a.png: expected sides of at most 32,768 pixels, found 2×40000"):
            read(path)
