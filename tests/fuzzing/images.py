"""Images of every format that is read: PNG, JPEG, TIFF, BMP and DICOM."""

import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from stages.dataset import geometry, images
from stages.dataset.images import ImageError
from stages.dataset.layout import Images, Layout
from tests.fuzzing import changes
from tests.fuzzing.reader import Reader

KIND = "images"
HEIGHT, WIDTH = 24, 40
_NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
COLOUR = cv2.GaussianBlur(_NOISE, (0, 0), 3).astype(np.uint8)
GREY = np.ascontiguousarray(COLOUR[..., 0])
DEEP = GREY.astype(np.uint16) * 257
COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")  # of TIFF
LARGEST_DIFFERENCE = 3  # of two decoders of the same JPEG


def _opencv(suffix: str, image: Any, *options: int) -> bytes:
    return bytes(cv2.imencode(suffix, image, options)[1].tobytes())


def _pillow(image: Any, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, form, **options)
    return stream.getvalue()


def _dicom(values: Any, packed: bool = False) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = pydicom.uid.CTImageStorage, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = {
        "SOPClassUID": pydicom.uid.CTImageStorage, "SOPInstanceUID": "1.2.3", "Rows": HEIGHT, "Columns": WIDTH,
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 8 * values.itemsize,
        "BitsStored": 8 * values.itemsize, "HighBit": 8 * values.itemsize - 1, "PixelRepresentation": 0,
        "RescaleSlope": "1", "RescaleIntercept": "0", "PixelData": values.tobytes(),
    }  # fmt: skip
    content = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    for name, value in header.items():
        setattr(content, name, value)
    content["PixelData"].VR = "OW"
    if packed:
        content.compress(RLELossless, generate_instance_uid=False)
    stream = io.BytesIO()
    content.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


VALID: dict[str, list[bytes]] = {
    "PNG": [
        _opencv(".png", GREY), _opencv(".png", COLOUR), _opencv(".png", DEEP),
        _opencv(".png", cv2.merge([COLOUR, GREY])),
        _pillow(Image.fromarray(COLOUR).quantize(16), "PNG"), _pillow(Image.fromarray(GREY > 90), "PNG"),
    ],
    "JPEG": [
        _opencv(".jpg", GREY), _opencv(".jpg", COLOUR), _pillow(COLOUR, "JPEG", progressive=True),
        _opencv(".jpg", COLOUR, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    ],
    "TIFF": [
        *(_pillow(COLOUR, "TIFF", compression=name) for name in COMPRESSIONS),
        _pillow(GREY, "TIFF"), _pillow(Image.fromarray(DEEP), "TIFF"), _opencv(".tif", COLOUR),
    ],
    "BMP": [_opencv(".bmp", GREY), _opencv(".bmp", COLOUR), _pillow(Image.fromarray(GREY > 90), "BMP")],
    "DICOM": [_dicom(GREY), _dicom(DEEP), _dicom(GREY, packed=True)],
}  # fmt: skip
FORMS = (Images(channels=3), Images(grey_from_colour=True), Images(channels=3, levels=(0, 65535)))


def decode(folder: Path) -> str | None:
    """Read an image in every form; refuse only if every form does."""
    path = next(folder.iterdir())
    raw, refused = path.read_bytes(), None
    stated = images.size(path)
    for form in FORMS:
        try:
            found, size = geometry.read(path, Layout(("pit",), 32, 48, images=_sized(form)))
            native = images.native(raw, path, form)
        except ImageError as error:
            refused = error
            continue
        if size != stated or found.dtype != np.uint8 or native.shape[:2] != size:
            return f"sizes {size}, {stated}, {native.shape}"
        if wrong := _compared(raw, native, form):
            return wrong
        images.is_coloured(raw)
        return None
    if refused is not None:
        raise refused
    return None


def _sized(form: Images) -> Images:
    return Images("resized", form.channels, form.grey_from_colour, form.levels)


def _compared(raw: bytes, found: Any, form: Images) -> str | None:
    """How an image differs from what Pillow makes of it, where Pillow knows the format."""
    if raw[128:132] == b"DICM" or form.levels is not None:
        return None
    try:
        with Image.open(io.BytesIO(raw)) as picture:
            picture.load()
            if picture.mode not in ("1", "L", "P", "RGB", "RGBA", "LA"):
                return None
            other = np.asarray(picture.convert("RGBA").convert("RGB"), np.int16)
    except Exception as error:  # noqa: BLE001  (Pillow raises many types)
        return f"Pillow cannot read it: {type(error).__name__}: {error}"
    if other.shape[:2] != found.shape[:2]:
        return f"Pillow reads {other.shape}, this {found.shape}"
    most = np.abs(other - found.astype(np.int16)).max() if found.ndim == 3 else 0
    return f"Pillow's levels differ by {most}" if most > LARGEST_DIFFERENCE else None


def _named(suffix: str) -> Callable[[bytes], dict[str, bytes]]:
    return changes.named(f"image.{suffix.lower()}")


def _readers() -> Iterator[Reader]:
    suffixes = {"PNG": "png", "JPEG": "jpg", "TIFF": "tif", "BMP": "bmp", "DICOM": "dcm"}
    for name, valid in VALID.items():
        repaired = changes.raw(valid).map(resealed) if name == "PNG" else st.nothing()
        inputs = st.one_of(changes.raw(valid), repaired).map(_named(suffixes[name]))
        yield Reader(f"image {name}", KIND, inputs, decode, (ImageError,))


def resealed(raw: bytes) -> bytes:
    """A PNG with the checksums that belong to its changed chunks, so that a decoder sees the change."""
    found, place = bytearray(raw[:8]), 8
    while place + 12 <= len(raw):
        length = min(int.from_bytes(raw[place : place + 4], "big"), len(raw) - place - 12)
        body = raw[place + 4 : place + 8 + length]
        found += raw[place : place + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        place += 12 + length
    return bytes(found)


READERS = list(_readers())
