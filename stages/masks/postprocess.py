"""From probabilities to the one label map that confusion, Dice and submission all come from."""

import numpy as np
import numpy.typing as npt


def label_map(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Give every pixel its most probable class, or the background.

    Args:
        probabilities: float32 of shape (height, width, 1 + classes), the background first.

    Returns:
        uint8 of shape (height, width): 0 background, else ClassId. Of equal probabilities the lower number wins.
    """
    return np.asarray(probabilities.argmax(axis=-1), np.uint8)
