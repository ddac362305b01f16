"""Losses and class weights.

Every loss takes a label map and logits. Adding one: a function below, its name in `LOSSES` here and in
`stages.settings.Train.loss`, and a test.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.network.library import sm

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
ClassWeights = Literal["balanced", "sqrt_balanced"] | Sequence[float] | None


def class_weights(kind: ClassWeights, pixels: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Weight of each class in the cross-entropy.

    - "balanced": pixels / (classes · pixels of the class), as scikit-learn's `compute_class_weight`;
    - "sqrt_balanced": the square root of that, scaled likewise to a mean of 1 over all pixels. A class a thousand
      times rarer than another then weighs 30 times as much and not 1,000 times, which floods an image with it;
    - a list: as given, the background first;
    - None: 1 for all.

    Args:
        kind: one of the above.
        pixels: int64 of shape (1 + classes,): pixels of each class as training sees them, the background first.

    Returns:
        float32 of shape (1 + classes,). A class without any pixel weighs 0.
    """
    if kind is None:
        return np.ones(len(pixels), np.float32)
    if not isinstance(kind, str):
        return np.asarray(kind, np.float32)
    occurring = pixels > 0
    share = pixels / max(int(pixels.sum()), 1)
    weights = np.divide(1.0, share, out=np.zeros(len(pixels)), where=occurring)
    if kind == "sqrt_balanced":
        weights = np.sqrt(weights)
    return np.asarray(weights / (share * weights).sum(), np.float32)


def cce(weights: npt.NDArray[np.float32]) -> Loss:
    """Class-weighted categorical cross-entropy: the mean over all pixels of -w[true]·log p[true]."""
    of_class = tf.constant(weights, tf.float32)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        labels = tf.cast(labels, tf.int32)
        logits = tf.cast(logits, tf.float32)
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # (batch, height, width)
        return tf.reduce_mean(tf.gather(of_class, labels) * entropy)

    return loss


def cce_dice(weights: npt.NDArray[np.float32]) -> Loss:
    """`cce` plus 1 - soft Dice, the latter averaged over the classes without the background, over a whole batch."""
    classes = len(weights)
    entropy = cce(weights)
    dice = sm.losses.DiceLoss(class_indexes=list(range(1, classes)), per_image=False)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        return entropy(labels, logits) + dice(tf.one_hot(tf.cast(labels, tf.int32), classes), probabilities)

    return loss


LOSSES: dict[str, Callable[[npt.NDArray[np.float32]], Loss]] = {"cce": cce, "cce_dice": cce_dice}
