"""Predictions drawn by hand."""

import numpy as np

from stages.postprocessing.prediction import Prediction


def prediction(*planes: list[list[int]], presence: tuple[int, ...] | None = None) -> Prediction:
    """A prediction from the levels of each class."""
    pixels = np.stack([np.array(plane, np.uint8) for plane in planes], axis=-1)
    return Prediction(pixels, np.array(presence or (255,) * len(planes), np.uint8))
