"""Image files that are cut off or damaged: refused with one message, or the same pixels, where the format can tell."""

import io
import os
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.dataset import image_headers, images
from stages.dataset.images import ImageError
from stages.dataset.layout import Images
from stages.pipeline.arrays import UInt8
from tests.support import competitions

ROOT = Path(__file__).parents[2]
NOISE = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
GREY = np.asarray(cv2.GaussianBlur(NOISE, (0, 0), 2), np.uint8)
LZW, DEFLATE = 5, 8


def tiff(image: np.ndarray, compression: int) -> bytes:
    """A TIFF file."""
    return bytes(cv2.imencode(".tif", image, [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1])


FILES = {
    "a.tif": (tiff(GREY, LZW), Images()),
    "b.tif": (tiff(GREY, DEFLATE), Images()),
    "c.tif": (tiff(np.dstack([GREY, GREY[::-1], GREY]), LZW), Images(channels=3)),
    "d.tif": (tiff(GREY.astype(np.uint16) * 200, LZW), Images(levels=(0, 51_000))),
    "e.tif": (tiff(GREY, 1), Images()),
    "a.png": (bytes(cv2.imencode(".png", GREY)[1]), Images()),
    "a.bmp": (bytes(cv2.imencode(".bmp", GREY)[1]), Images()),
    "a.jpg": (bytes(cv2.imencode(".jpg", GREY)[1]), Images()),
}


def message(raw: bytes, name: str, form: Images, whole: UInt8 | None = None) -> str:
    """Why an image is refused; empty if it is read, and then it must be `whole`, if that is given."""
    try:
        found = images.native(raw, Path(name), form)
    except ImageError as error:
        return str(error)
    if whole is not None:
        np.testing.assert_array_equal(found, whole)
    return ""


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off(name: str) -> None:
    """Wherever it ends, what is missing is not made up."""
    raw, form = FILES[name]
    whole = images.native(raw, Path(name), form)
    found = [message(raw[:length], name, form, whole) for length in range(1, len(raw), max(1, len(raw) // 60))]
    refused = [each for each in found if each]
    assert len(refused) > 50
    assert all(each.startswith(f"{name}: expected ") for each in refused)


@pytest.mark.parametrize("name", ["a.tif", "b.tif", "c.tif"])
def test_a_compressed_tiff_with_a_hole(name: str) -> None:
    """Zeros in the middle of the stream are reported by its decoder; OpenCV fills up the rest with zeros."""
    raw, form = FILES[name]
    middle = len(raw) // 3
    damaged = raw[:middle] + bytes(64) + raw[middle + 64 :]
    with pytest.raises(ImageError, match=f"{name}: expected a whole TIFF, found one that is cut off or damaged"):
        images.native(damaged, Path(name), form)


def test_a_png_whose_checksum_is_wrong() -> None:
    """One bit anywhere behind the signature is noticed."""
    raw, form = FILES["a.png"]
    random = np.random.default_rng(1)
    for place in random.integers(8, len(raw), 300):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << int(random.integers(8))
        assert message(bytes(damaged), "a.png", form)


@pytest.mark.parametrize("kind", ["jpeg", "plain"])
def test_damaged_dicom(kind: str, tmp_path: Path) -> None:
    """Whatever pydicom raises becomes one message; the size of such a file is read or unknown."""
    pytest.importorskip("pydicom")
    plain = competitions.plain_dicom(GREY.astype(np.uint16), b"MONOCHROME2")
    raw = competitions.dicom(GREY) if kind == "jpeg" else plain
    form = Images() if kind == "jpeg" else Images(levels=(0, 255))
    random = np.random.default_rng(2)
    refused = []
    for number in range(400):
        damaged = bytearray(raw[: random.integers(1, len(raw))] if number % 3 == 0 else raw)
        for _ in range(0 if number % 3 == 0 else 1 if number % 3 == 1 else 20):
            damaged[random.integers(min(len(damaged), 900))] ^= 1 << int(random.integers(8))
        (tmp_path / "a.dcm").write_bytes(bytes(damaged))
        images.size(tmp_path / "a.dcm")
        refused.append(message(bytes(damaged), "a.dcm", form))
    assert sum(map(bool, refused)) > 100
    assert not any("\n" in each for each in refused)


def test_dicom_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to install it."""
    monkeypatch.setitem(sys.modules, "pydicom", None)
    reported = message(competitions.dicom(GREY), "a.dcm", Images())
    assert "this DICOM image needs the package pydicom, which is not installed (pip install pydicom, or the" in reported


def test_a_tiff_of_many_pixels() -> None:
    """Sides are limited by this project alone: Pillow's own limit of 178 million pixels is off."""
    from PIL import Image

    raw, form = FILES["a.tif"]
    images.native(raw, Path("a.tif"), form)
    assert Image.MAX_IMAGE_PIXELS is None


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [(274, 6, "pixels that are stored turned (orientation 6)"), (262, 0, "more than 8 bits of which 0 is white")],
)
def test_a_tiff_whose_pixels_mean_something_else(tag: int, value: int, message: str) -> None:
    """Turned, or with 0 as white: refused, where OpenCV would give other pixels than those that masks are drawn on."""
    raw, form = FILES["d.tif"]
    assert raw[:4] == b"II*\0"
    entries = int.from_bytes(raw[4:8], "little")
    damaged = bytearray(raw)
    for number in range(int.from_bytes(raw[entries : entries + 2], "little")):
        place = entries + 2 + 12 * number
        if int.from_bytes(raw[place : place + 2], "little") == (tag if tag == 262 else 284):  # 284 is not needed
            damaged[place : place + 12] = struct.pack("<HHIHH", tag, 3, 1, value, 0)
    with pytest.raises(ImageError) as refused:
        images.native(bytes(damaged), Path("d.tif"), form)
    assert message in str(refused.value)


def test_the_checksums_of_a_png() -> None:
    """Of every chunk, those of the pixels included."""
    raw, _ = FILES["a.png"]
    image_headers.check_png(raw)
    for place in range(8, len(raw), 37):
        damaged = bytearray(raw)
        damaged[place] ^= 4
        with pytest.raises(ValueError, match="checksum is wrong"):
            image_headers.check_png(bytes(damaged))
    for length in (8, 20, len(raw) // 2, len(raw) - 1):
        with pytest.raises(ValueError, match="checksum is wrong"):
            image_headers.check_png(raw[:length])


def test_an_odd_field_is_one_message(tmp_path: Path) -> None:
    """Pillow would warn of it with a line of its own code, and OpenCV report it in its own log."""
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, "TIFF")
    field = struct.pack("<HHL", 284, 3, 1)  # how channels are stored: one number
    assert stream.getvalue().count(field) == 1
    (tmp_path / "a.tif").write_bytes(stream.getvalue().replace(field, struct.pack("<HHL", 284, 3, 2)))
    code = (
        "from pathlib import Path; from stages.conversion import image_files; from stages.pipeline import cli; "
        "cli.guard('convert', lambda: image_files.read(Path('a.tif'), None))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("convert: a.tif: expected an image, found ")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("place", "number"),
    [(10, 0), (10, 54), (46, 1)],  # where pixels begin: at 0, within the palette; how many colours the palette has
)
def test_a_bmp_that_can_be_read_in_two_ways(place: int, number: int) -> None:
    """OpenCV and Pillow give other pixels, and no checksum says which are right."""
    raw = bytearray(FILES["a.bmp"][0])
    raw[place : place + 4] = struct.pack("<L", number)
    assert "expected a whole BMP, found one that is cut off or damaged" in message(bytes(raw), "a.bmp", Images())


def test_bmps_of_every_depth() -> None:
    """Black and white, a palette of few colours, 24 and 32 bits."""
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        stream = io.BytesIO()
        Image.fromarray(np.dstack([GREY] * 3)).convert(mode).save(stream, "BMP")
        image_headers.check(image_headers.Format.BMP, stream.getvalue())
