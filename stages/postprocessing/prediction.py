"""The networks' answer for one image, in whole numbers."""

from dataclasses import dataclass

import numpy as np

from stages.dataset import geometry
from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.pipeline.arrays import UInt8

FULL = 255  # stands for probability 1
HALF = 128  # the first level above probability 1/2


@dataclass(frozen=True)
class Prediction:
    """The networks' answer for one image.

    Attributes:
        pixels: probabilities, uint8 (height, width, classes), ClassId 1 first; 255 is probability 1.
        presence: probability that the class is in the image at all, uint8 (classes,); 255 if the networks have no
            image-level head.
    """

    pixels: UInt8
    presence: UInt8

    @property
    def planes(self) -> UInt8:
        """One plane per class, (classes, height, width): whole planes are ten times as fast to process."""
        return np.ascontiguousarray(np.moveaxis(self.pixels, -1, 0))

    @property
    def of_one_class(self) -> "Prediction":
        """The same with the class that covers most of the image, by the sum of its probabilities, and no other."""
        if not self.pixels.size:
            return self
        most = self.pixels.reshape(-1, self.pixels.shape[-1]).sum(axis=0, dtype=np.int64).argmax()
        pixels = np.zeros_like(self.pixels)
        pixels[..., most] = self.pixels[..., most]
        return Prediction(pixels, self.presence)

    def restored(self, layout: Layout, size: Size) -> "Prediction":
        """The same at the size at which the competition scores, for an image of this height and width."""
        pixels = geometry.restored(self.pixels, layout, size)
        return self if pixels is self.pixels else Prediction(pixels, self.presence)
