"""The networks' answer for one image, in whole numbers."""

from dataclasses import dataclass

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
