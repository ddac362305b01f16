"""The competition's score: the mean of the Dice coefficient over all pairs of image and class.

    Dice = 2·|X ∩ Y| / (|X| + |Y|), and 1 if both the predicted X and the true Y are empty

Source: https://www.kaggle.com/c/severstal-steel-defect-detection/overview/evaluation
"""

import numpy as np

from stages.pipeline.arrays import Float64, Int64


def dice(intersection: Int64, true: Int64, predicted: Int64) -> Float64:
    """Dice coefficient of each pair, from pixel counts.

    Args:
        intersection, true, predicted: pixels in both masks, in the true mask, in the predicted mask; same shape.

    Returns:
        float64 of that shape, in 0 … 1. Both masks empty: 1. One false pixel on an empty true mask: 0.

        >>> dice(np.array([0, 0, 1]), np.array([0, 0, 2]), np.array([0, 1, 1]))
        array([1.        , 0.        , 0.66666667])
    """
    total = true + predicted
    return np.where(total == 0, 1.0, 2.0 * intersection / np.maximum(total, 1))


def mean_dice(intersection: Int64, true: Int64, predicted: Int64) -> float | None:
    """The competition's score over pairs of shape (images, classes); None if there are no pairs."""
    return _mean(dice(intersection, true, predicted))


def all_empty_mean_dice(true: Int64) -> float | None:
    """Mean Dice of an empty submission: the share of pairs whose true mask is empty; None if there are no pairs."""
    return _mean((true == 0).astype(np.float64))


def positive_dice(intersection: Int64, true: Int64, predicted: Int64) -> list[float | None]:
    """Mean Dice over the pairs that have a true mask, for each class; None for a class without such a pair.

    A network that predicts nothing gets 0 here, while the competition's score rewards it on mostly clean steel.

    Args:
        intersection, true, predicted: shape (images, classes).
    """
    values = dice(intersection, true, predicted)
    return [_mean(values[true[:, index] > 0, index]) for index in range(true.shape[1])]


def mean_defined(values: list[float | None]) -> float | None:
    """Mean of the values that are defined; None if none is."""
    return _mean(np.array([value for value in values if value is not None], np.float64))


def _mean(values: Float64) -> float | None:
    return float(values.mean()) if values.size else None
