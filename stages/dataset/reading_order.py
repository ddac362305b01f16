"""Were masks written row by row and read column by column, or the other way round?

Read in the wrong order a mask falls into stripes. So the masks of some images are drawn in both orders, and their
connected parts are counted: true masks have few. On square images the other order is the mirror image, which has as
many parts. There, grey levels inside a mask are compared with those around it: true masks differ more.
"""

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from stages.dataset import rle
from stages.dataset.images import Size
from stages.dataset.layout import Order, RunLengths
from stages.pipeline.arrays import Bool, UInt8
from stages.pipeline.cli import UserError

LEAST_MASKS = 3  # fewer tell nothing
TIMES = 3  # as many parts as in the other order
LEAST_SQUARE = 8  # masks on square images, of which most have to look mirrored
AROUND = 11  # pixels: width of what counts as around a mask, twice and one


@dataclass
class PartsByOrder:
    """Connected parts of the masks that were looked at.

    Attributes:
        masks: how many were looked at.
        stated: their parts, drawn in the order that the layout states.
        other: their parts, drawn in the other order.
        square: how many of them are on square images and not their own mirror image.
        mirrored: how many of those differ more from what is around them when drawn in the other order.
    """

    masks: int = 0
    stated: int = 0
    other: int = 0
    square: int = 0
    mirrored: int = 0

    def add(self, text: str, size: Size, notation: RunLengths, grey: UInt8 | None = None) -> None:
        """Look at one valid mask, in an image of this height and width; `grey`: the image itself, uint8."""
        order: Order = "rows" if notation.order == "columns" else "columns"
        masks = [rle.decode(text, *size, each) for each in (notation, replace(notation, order=order))]
        found = [_parts(mask) for mask in masks]
        self.masks, self.stated, self.other = self.masks + 1, self.stated + found[0], self.other + found[1]
        if grey is not None and size[0] == size[1] and not np.array_equal(masks[0], masks[1]):
            self.square += 1
            self.mirrored += _contrast(masks[1], grey) > _contrast(masks[0], grey)

    def join(self, others: "PartsByOrder") -> None:
        """Add what another object has counted."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(others, each.name))

    def doubt(self, table: str, notation: RunLengths) -> str | None:
        """What to say of masks that look mirrored; None if they do not."""
        if self.square < LEAST_SQUARE or self.mirrored < 3 / 4 * self.square:
            return None
        other = "rows" if notation.order == "columns" else "columns"
        return (
            f"{table}: masks look mirrored: {self.mirrored} of {self.square} masks on square images differ more from "
            f"what is around them when pixels are counted along the {other}: look at the outlines in metrics/explore; "
            f"competition.run_lengths.order is {notation.order}"
        )

    def refuse_wrong_order(self, table: str, notation: RunLengths) -> None:
        """Raise a `UserError` if the masks look as if they were read in the wrong order."""
        if self.masks < LEAST_MASKS or self.stated < TIMES * max(self.other, 1):
            return
        other = "rows" if notation.order == "columns" else "columns"
        raise UserError(
            f"{table}: masks look misread: {self.masks} masks fall into {self.stated} connected parts when pixels are "
            f"counted along the {notation.order}, and into {self.other} along the {other}: set "
            f"competition.run_lengths.order to {other}"
        )


def _parts(mask: Bool) -> int:
    return cv2.connectedComponents(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)[0] - 1


def _contrast(mask: Bool, grey: UInt8) -> float:
    """Difference of the mean grey levels inside a mask and around it."""
    inside = np.ascontiguousarray(mask).view(np.uint8)
    around = (cv2.dilate(inside, np.ones((AROUND, AROUND), np.uint8)) > 0) & ~mask
    return abs(float(grey[mask].mean()) - float(grey[around].mean())) if around.any() else 0.0
