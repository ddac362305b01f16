"""Were masks written row by row and read column by column, or the other way round?

Read in the wrong order a mask falls into stripes. So the masks of some images are drawn in both orders, and their
connected parts are counted: true masks have few.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from stages.dataset import rle
from stages.dataset.images import Size
from stages.dataset.layout import Order, RunLengths
from stages.pipeline.cli import UserError

LEAST_MASKS = 3  # fewer tell nothing
TIMES = 3  # as many parts as in the other order


@dataclass
class PartsByOrder:
    """Connected parts of the masks that were looked at.

    Attributes:
        masks: how many were looked at.
        stated: their parts, drawn in the order that the layout states.
        other: their parts, drawn in the other order.
    """

    masks: int = 0
    stated: int = 0
    other: int = 0

    def add(self, text: str, size: Size, notation: RunLengths) -> None:
        """Look at one valid mask, in an image of this height and width."""
        order: Order = "rows" if notation.order == "columns" else "columns"
        found = [_parts(text, size, each) for each in (notation, replace(notation, order=order))]
        self.masks, self.stated, self.other = self.masks + 1, self.stated + found[0], self.other + found[1]

    def join(self, others: "PartsByOrder") -> None:
        """Add what another object has counted."""
        self.masks += others.masks
        self.stated += others.stated
        self.other += others.other

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


def _parts(text: str, size: Size, notation: RunLengths) -> int:
    mask = rle.decode(text, *size, notation)
    return cv2.connectedComponents(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)[0] - 1
