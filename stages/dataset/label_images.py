"""Drawn labels, read one by one for a conversion.

A label either holds class ids (0 background, else ClassId; in a palette image, the index counts and not the colour), or
it is black and white, and the caller says of which class it is.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from stages.pipeline.arrays import Bool, UInt8
from stages.pipeline.cli import UserError

HIGHEST = 254  # ClassId; labels are stored as uint8, and 255 in a label means white, or "ignore"
WHITE = 128  # levels of a black-and-white label from here on are inside: borders are often smoothed


def label_map(label: Path, class_id: int) -> UInt8:
    """Read a label.

    Args:
        label: the file.
        class_id: the class of a black-and-white label; 0 for a label that holds class ids.

    Returns:
        uint8 of shape (height, width): 0 background, else ClassId.

    Raises:
        UserError: the file is not a picture, or can be read in more than one way.
    """
    try:
        with Image.open(label) as picture:
            return np.where(_white(label, picture), class_id, 0).astype(np.uint8) if class_id else _ids(label, picture)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(f"{label}: expected a label, found no readable picture ({error})") from None


def by_colour(label: Path, colours: Mapping[tuple[int, int, int], int]) -> UInt8:
    """Read a label with one colour per class; black is the background unless it is a class.

    Args:
        label: the file.
        colours: ClassId of each colour, red first.

    Raises:
        UserError: the file is not a picture, or holds another colour.
    """
    try:
        with Image.open(label) as picture:
            pixels = np.asarray(picture.convert("RGB"), np.uint32)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise UserError(f"{label}: expected a label, found no readable picture ({error})") from None
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = {(red << 16) | (green << 8) | blue: class_id for (red, green, blue), class_id in colours.items()}
    known.setdefault(0, 0)
    drawn = np.zeros(codes.shape, np.uint8)
    for code in np.unique(codes).tolist():
        if code not in known:
            raise UserError(f"{label}: expected the colours of --colours, found #{code:06x}")
        drawn[codes == code] = known[code]
    return drawn


def _ids(label: Path, picture: Image.Image) -> UInt8:
    values: npt.NDArray[Any] = np.asarray(picture)  # for a palette image, the indices
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
    if picture.mode not in ("1", "L", "P", "RGB", "RGBA"):
        raise UserError(f"{label}: expected black and white in 8 bits per channel, found {picture.mode}")
    if picture.mode == "RGBA" and np.asarray(picture)[..., 3].min() < 255:
        raise UserError(f"{label}: expected black and white, found transparent pixels")
    levels: UInt8 = np.asarray(picture.convert("L"))
    if levels.max() == 1:  # 0 and 1 instead of black and white
        return levels.astype(np.bool_)
    if 0 < levels.max() < WHITE:
        raise UserError(
            f"{label}: expected black and white, found nothing brighter than {levels.max()} of 255 "
            "(labels that hold class ids go without --class, --class-prefixes and --class-folders)"
        )
    white: Bool = levels >= WHITE
    return white
