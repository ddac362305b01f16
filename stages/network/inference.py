"""Inference: the one road from images to probabilities, for evaluate, predict and the validation during training.

A saved network takes grey levels and gives probabilities; everything between is part of it.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.command import UserError

Grey = npt.NDArray[np.uint8]
Probabilities = npt.NDArray[np.float32]
Network = Callable[[tf.Tensor], tf.Tensor]


class Probability(tf.Module):  # type: ignore[misc]
    """A trained network as it is saved: grey levels in, probabilities out."""

    def __init__(self, model: Any, activation: str) -> None:
        super().__init__()
        self.activation = activation
        # Only the variables are tracked: a Keras model among the attributes would be traced layer by layer when saved,
        # which takes eight times as long and is of no use without Keras.
        self.weights = list(model.variables)
        self._forward: Network = lambda grey: model(grey, training=False)

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, None, None), tf.uint8, name="grey_levels")]
    )
    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Take uint8 (batch, height, width); give float32 (batch, height, width, 1 + classes), the background first.

        Of a softmax they sum to 1. Sigmoids are one class's each, and the background's place holds 1/2: the most
        probable class wins where it is more probable than not.
        """
        logits = tf.cast(self._forward(tf.cast(images, tf.float32)[..., tf.newaxis]), tf.float32)
        if self.activation == "softmax":
            return tf.nn.softmax(logits)
        probabilities = tf.nn.sigmoid(logits)
        return tf.concat([tf.fill(tf.shape(probabilities[..., :1]), 0.5), probabilities], axis=-1)


def save(model: Any, activation: str, folder: Path) -> None:
    """Save a trained Keras model, with its activation ("softmax" or "sigmoid"), as a SavedModel for TensorFlow alone.

    Two saves of the same weights by two fresh processes are the same bytes, since the fingerprint, which holds
    random numbers, is left out.
    """
    tf.saved_model.save(Probability(model, activation), str(folder))
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    shutil.rmtree(folder / "assets", ignore_errors=True)


def load(folder: Path) -> Network:
    """Load what `save` has written.

    Raises:
        UserError: there is no SavedModel.
    """
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder}: expected the network that train writes, found none: run dvc repro")
    loaded = tf.saved_model.load(str(folder))
    return lambda images: loaded(images)


def probabilities(
    networks: list[Network], images: Iterable[Grey], batch_size: int, flips: bool = False
) -> Iterator[Probabilities]:
    """Probabilities of every pixel, averaged over networks and, if asked for, over flipped images.

    Args:
        networks: one or more, each from uint8 (batch, height, width) to float32 (batch, height, width, 1 + classes).
        images: uint8 of shape (height, width), all of one size; read a batch at a time.
        batch_size: images a call. The last batch is filled up, so that every call has the same shape: one image at
            a time is many times slower with oneDNN.
        flips: whether to average over the image, its left-right, its up-down mirror image, and both at once.

    Yields:
        float32 of shape (height, width, 1 + classes), the background first, in 0 … 1, for each image in turn.
    """
    remaining = iter(images)
    while batch := list(islice(remaining, batch_size)):
        filled = np.stack(batch + [batch[-1]] * (batch_size - len(batch)))
        views: list[tuple[int, ...]] = [(), (2,), (1,), (1, 2)] if flips else [()]
        mean = sum(
            np.flip(network(tf.constant(np.flip(filled, view))).numpy(), view) for network in networks for view in views
        ) / np.float32(len(networks) * len(views))
        yield from mean[: len(batch)]
