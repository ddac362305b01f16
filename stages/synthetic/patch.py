"""What a drawn defect does to the steel beneath it."""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.pipeline.arrays import Bool, Float32
from stages.synthetic.fields import Shape


@dataclass(frozen=True)
class Patch:
    """A defect, as it is laid on a strip.

    Attributes:
        gain: factors that multiply the grey levels, float32 of shape (height, width); 1 changes nothing.
        extent: where the defect is, bool of the same shape.
        cover: how much of the grain beneath is hidden, float32 of the same shape: 0 none, 1 all of it.
    """

    gain: Float32
    extent: Bool
    cover: Float32

    def lay(self, steel: Float32, rows: slice) -> Float32:
        """The steel with the defect's given rows on it, float32 of the shape of `steel`: (rows, width)."""
        cover = self.cover[rows]
        if cover.any():
            steel = steel + cover * (cv2.GaussianBlur(steel, (0, 0), 6.0) - steel)
        return np.asarray(steel * self.gain[rows], np.float32)


def size_within(room: Shape, height: float, width: float) -> Shape:
    """Height and width in whole pixels, no more than there is room for."""
    return int(min(room[0], height)), int(min(room[1], width))
