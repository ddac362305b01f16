"""Drawn labels, read one by one.

A label either holds class ids (0 background, else ClassId; in a palette image, the index counts and not the colour), or
one colour per class, or it is black and white, and the caller says of which class it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from stages.conversion.image_files import ORIENTATION, UNREADABLE, UPRIGHT, check_sides, opened
from stages.dataset import image_headers
from stages.dataset.images import MOST_GREY
from stages.pipeline.arrays import Bool, UInt8
from stages.pipeline.cli import UserError

HIGHEST = 254  # ClassId; labels are stored as uint8, and 255 in a label means white, or "ignore"
WHITE = 128  # levels of a black-and-white label from here on are inside: borders are often smoothed

Colour = tuple[int, int, int]  # red, green, blue


@dataclass(frozen=True)
class Palettes:
    """The colours of the class ids in palette images, which must agree: programs that save anew may renumber them."""

    _seen: dict[int, tuple[Colour, Path]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def compare(self, label: Path, colours: Mapping[int, Colour]) -> None:
        """Compare the colours of the class ids in a label with those in all labels before.

        Raises:
            UserError: another label has another colour for the same class id.
        """
        with self._lock:
            for class_id, colour in colours.items():
                known, first = self._seen.setdefault(class_id, (colour, label))
                if known != colour:
                    raise UserError(
                        f"{label}: expected one colour for each class id in all palettes, found {_code(colour)} for "
                        f"{class_id}, which is {_code(known)} in {first} (--colours goes by the colours)"
                    )


def size(label: Path) -> tuple[int, int]:
    """Height and width of a label in pixels.

    Raises:
        UserError: the file is not a picture, holds several, or is turned by EXIF.
    """
    with _opened(label) as picture:
        return picture.height, picture.width


def label_map(label: Path, class_id: int, palettes: Palettes | None = None) -> UInt8:
    """Read a label.

    Args:
        label: the file.
        class_id: the class of a black-and-white label; 0 for a label that holds class ids.
        palettes: those of the other labels.

    Returns:
        uint8 of shape (height, width): 0 background, else ClassId.

    Raises:
        UserError: as `size`, or the label can be read in more than one way.
    """
    with _opened(label) as picture:
        if class_id:
            return np.where(_white(label, picture), class_id, 0).astype(np.uint8)
        found = _ids(label, picture)
        if picture.mode == "P" and palettes:
            palettes.compare(label, _colours(picture, found))
        return found


def by_colour(label: Path, colours: Mapping[Colour, int]) -> UInt8:
    """Read a label with one colour per class; black is the background unless it is a class.

    Args:
        label: the file.
        colours: ClassId of each colour.

    Raises:
        UserError: as `size`, or the label holds another colour, or transparent pixels.
    """
    with _opened(label) as picture:
        pixels = _opaque(label, picture).astype(np.uint32)
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = {(red << 16) | (green << 8) | blue: class_id for (red, green, blue), class_id in colours.items()}
    known.setdefault(0, 0)
    drawn = np.zeros(codes.shape, np.uint8)
    for code in np.unique(codes).tolist():
        if code not in known:
            raise UserError(f"{label}: expected the colours of --colours, found #{code:06x}")
        drawn[codes == code] = known[code]
    return drawn


@contextmanager
def _opened(label: Path) -> Iterator[Image.Image]:
    try:
        with opened(label) as picture:
            check_sides(label, picture)
            if getattr(picture, "n_frames", 1) != 1:
                raise UserError(f"{label}: expected one label, found several pages in one file")
            if picture.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
                raise UserError(f"{label}: expected a label that is stored upright, found one that EXIF turns")
            _check(label.read_bytes())
            yield picture
    except UNREADABLE as error:
        raise UserError(f"{label}: expected a label, found no readable picture ({error})") from None


def _check(raw: bytes) -> None:
    """Raise a ValueError for what Pillow fills up or guesses."""
    kind = image_headers.kind(raw)
    if kind is image_headers.Format.JPEG:
        image_headers.check_jpeg(raw)
    elif kind is not None:
        image_headers.check(kind, raw)


def _ids(label: Path, picture: Image.Image) -> UInt8:
    if picture.format == "JPEG":
        raise UserError(f"{label}: expected class ids, found a JPEG, which does not keep them")
    values: npt.NDArray[Any] = np.asarray(picture)  # for a palette image, the indices
    if picture.mode in ("LA", "RGBA"):
        values = _opaque(label, picture)
    if values.ndim == 3 and (values[..., :3] == values[..., :1]).all():  # grey, stored as RGB
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise UserError(f"{label}: expected class ids in one channel or a palette, found colours ({picture.mode})")
    if values.max() > HIGHEST or values.min() < 0:
        raise UserError(
            f"{label}: expected class ids of 0 … {HIGHEST}, found {values.max() if values.max() > 0 else values.min()} "
            "(black-and-white labels need --class, --class-prefixes or --class-folders)"
        )
    return values.astype(np.uint8)


def _white(label: Path, picture: Image.Image) -> Bool:
    """White pixels, boolean (height, width); in a palette image, the colour counts."""
    if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise UserError(f"{label}: expected black and white in 8 bits per channel, found {picture.mode}")
    pixels = _opaque(label, picture)
    if (np.ptp(pixels.astype(np.int16), axis=-1) > MOST_GREY).any():
        raise UserError(f"{label}: expected black and white, found colours (--colours gives each its class)")
    levels = pixels[..., 0]
    if levels.max() == 1:  # 0 and 1 instead of black and white
        return levels.astype(np.bool_)
    if 0 < levels.max() < WHITE:
        raise UserError(
            f"{label}: expected black and white, found nothing brighter than {levels.max()} of 255 "
            "(labels that hold class ids go without --class, --class-prefixes and --class-folders)"
        )
    white: Bool = levels >= WHITE
    return white


def _opaque(label: Path, picture: Image.Image) -> UInt8:
    """Colours, uint8 (height, width, 3)."""
    if picture.mode.startswith(("I", "F")):
        raise UserError(f"{label}: expected 8 bits per channel, found {picture.mode}")
    if "A" in picture.getbands() or "transparency" in picture.info:
        pixels: UInt8 = np.asarray(picture.convert("RGBA"))
        if pixels[..., 3].min() < 255:
            raise UserError(f"{label}: expected an opaque label, found transparent pixels")
        return pixels[..., :3]
    return np.asarray(picture.convert("RGB"))


def _colours(picture: Image.Image, ids: UInt8) -> dict[int, Colour]:
    """The colours of the class ids that occur."""
    levels = picture.getpalette("RGB") or []
    present = [class_id for class_id in np.unique(ids).tolist() if 3 * class_id + 2 < len(levels)]
    return {
        class_id: (levels[3 * class_id], levels[3 * class_id + 1], levels[3 * class_id + 2]) for class_id in present
    }


def _code(colour: Colour) -> str:
    return f"#{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}"
