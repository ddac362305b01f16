"""What the networks say of one image, in whole numbers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

FULL = 255  # stands for probability 1
HALF = 128  # the first level above probability 1/2


@dataclass(frozen=True)
class Prediction:
    """What the networks say of one image.

    Attributes:
        pixels: probabilities, uint8 (height, width, classes), ClassId 1 first; 255 is probability 1.
        presence: how sure the networks are that the class is in the image at all, uint8 (classes,); 255 where they
            have no such head.
    """

    pixels: Bytes
    presence: Bytes
