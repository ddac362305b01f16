"""DICOM images, by pydicom, which is an extra: single frames of one channel, stored plainly or as JPEG."""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.pipeline.arrays import UInt8

_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")  # transfer syntaxes: baseline and extended


def size(raw: bytes) -> tuple[int, int]:
    """Height and width that the header states.

    Raises:
        ValueError: it cannot be read.
        ImportError: pydicom is not installed.
    """
    import pydicom

    with _reported():
        header = pydicom.dcmread(io.BytesIO(raw), stop_before_pixels=True)
        return int(header.Rows), int(header.Columns)


def decode(raw: bytes, jpeg: Callable[[bytes], UInt8 | None]) -> npt.NDArray[Any] | None:
    """The values of the only frame, (height, width); larger is brighter.

    Args:
        raw: the file.
        jpeg: decodes a JPEG to grey levels, uint8 (height, width).

    Returns:
        uint8, or int32 for more than 8 bits, with the file's rescaling; None if it cannot be decoded.

    Raises:
        ValueError: several frames or channels, or damaged.
        ImportError: pydicom, or what it needs for this kind of compression, is not installed.
    """
    import pydicom

    # What does not fit is the sign of a damaged stream, whose first part pydicom would take.
    warnings.filterwarnings("error", message="The decoded RLE segment", category=UserWarning)
    with _reported():
        content = pydicom.dcmread(io.BytesIO(raw))
        if int(getattr(content, "SamplesPerPixel", 1)) != 1 or int(getattr(content, "NumberOfFrames", 1) or 1) != 1:
            raise ValueError("expected a single frame of one channel")
        if str(content.file_meta.TransferSyntaxUID) in _JPEG and int(content.BitsAllocated) == 8:
            from pydicom.encaps import generate_frames

            values: Any = jpeg(next(generate_frames(content.PixelData, number_of_frames=1)))
        else:
            values = content.pixel_array
        if values is None:
            return None
        slope, intercept = float(getattr(content, "RescaleSlope", 1)), float(getattr(content, "RescaleIntercept", 0))
        bits = int(content.BitsStored)
        if str(getattr(content, "PhotometricInterpretation", "")) == "MONOCHROME1":  # larger is darker
            signed = int(getattr(content, "PixelRepresentation", 0)) == 1
            values = (-1 if signed else (1 << bits) - 1) - np.asarray(values, np.int64)
        if bits <= 8 and (slope, intercept) == (1, 0):
            return np.asarray(values, np.uint8)
        return np.asarray(np.rint(values * slope + intercept), np.int32)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn what pydicom raises for a damaged file into a ValueError. It reads values late, and raises many types."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  (see above)
        raise ValueError(" ".join(str(error).split())[:200] or type(error).__name__) from None
