"""Class weights of training, undone: they make a network's outputs too high for probabilities.

This module also runs in a Kaggle notebook: it needs NumPy only.
"""

import numpy as np

from stages.pipeline.arrays import Float64, UInt8
from stages.postprocessing.prediction import FULL, Prediction


def corrected(prediction: Prediction, factors: tuple[float, ...] | None, softmax: bool) -> Prediction:
    """Divide the odds by training's class weights, which make the network's outputs too high for probabilities.

        softmax:  p_c' = (p_c / f_c) / (p_0 + sum_k p_k / f_k),  p_0 = max(1 - sum_k p_k, 0)
        sigmoid:  p'   = (p / f) / ((1 - p) + p / f)

    Args:
        prediction: the networks' own.
        factors: f, the weight of each class divided by that of the background; None returns the prediction as it is.
        softmax: whether the probabilities come from one softmax, or from one sigmoid per class.

    Returns:
        The prediction with new pixels, rounded. With a weight of 3, an output of 1/2 means a probability of 1/4:

        >>> half = Prediction(np.array([[[128]]], np.uint8), np.array([255], np.uint8))
        >>> corrected(half, (3.0,), softmax=True).pixels
        array([[[64]]], dtype=uint8)
    """
    if factors is None:
        return prediction
    correct = _corrected_softmax if softmax else _corrected_sigmoid
    return Prediction(correct(prediction, np.asarray(factors, np.float64)), prediction.presence)


def _corrected_sigmoid(prediction: Prediction, factors: Float64) -> UInt8:
    """Each class by itself: a table of 256 answers serves all pixels."""
    levels = np.arange(FULL + 1)[:, np.newaxis]
    odds = levels / factors
    table = np.rint(FULL * odds / ((FULL - levels) + odds)).astype(np.uint8)
    return np.asarray(table[prediction.pixels, np.arange(len(factors))])


def _corrected_softmax(prediction: Prediction, factors: Float64) -> UInt8:
    pixels, result = prediction.pixels, np.zeros_like(prediction.pixels)
    some = np.bitwise_or.reduce(prediction.planes, axis=0) > 0  # elsewhere 0 stays 0, which also avoids 0/0
    levels = pixels[some].astype(np.int64)  # (pixels, classes)
    odds = levels / factors
    background = np.maximum(FULL - levels.sum(axis=1, keepdims=True), 0)  # rounding can lift the sum above 255
    result[some] = np.rint(FULL * odds / (background + odds.sum(axis=1, keepdims=True)))
    return result
