"""Inference: the one road from images to probabilities, for infer, infer_test, notebooks and validation.

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
from stages.masks.postprocess import Prediction

Grey = npt.NDArray[np.uint8]
# From uint8 (batch, height, width) to probabilities, float32 (batch, height, width, classes) and (batch, classes): of
# each pixel to be of each class, the background not counted, and of each class to be in the image.
Network = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Probability(tf.Module):  # type: ignore[misc]
    """A trained network as it is saved: grey levels in, probabilities out."""

    def __init__(self, model: Any, activation: str) -> None:
        super().__init__()
        self.activation = activation
        # Only the variables are tracked: a Keras model among the attributes would be traced layer by layer when saved,
        # which takes eight times as long and is of no use without Keras.
        self.weights = list(model.variables)
        self._forward: Callable[[tf.Tensor], Any] = lambda grey: model(grey, training=False)

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, None, None), tf.uint8, name="grey_levels")]
    )
    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Take uint8 (batch, height, width); give two float32 probabilities.

        The pixels', (batch, height, width, classes), without the background: of a softmax it has what is missing to 1.
        The image's, (batch, classes): 1 where the network has no image-level head, since then nothing speaks against.
        """
        outputs = self._forward(tf.cast(images, tf.float32)[..., tf.newaxis])
        logits = tf.cast(outputs["logits"] if isinstance(outputs, dict) else outputs, tf.float32)
        pixels = tf.nn.softmax(logits)[..., 1:] if self.activation == "softmax" else tf.nn.sigmoid(logits)
        if isinstance(outputs, dict):
            return pixels, tf.nn.sigmoid(tf.cast(outputs["presence"], tf.float32))
        return pixels, tf.ones_like(pixels[:, 0, 0])


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
    return lambda images: tuple(loaded(images))


def predictions(
    networks: list[Network], images: Iterable[Grey], batch_size: int, flips: bool = False
) -> Iterator[Prediction]:
    """Probabilities of every pixel and class, averaged over networks and, if asked for, over flipped images.

    They are rounded to 255ths, here and so wherever a network is used: what is kept for post-processing is then
    exactly what a notebook on Kaggle computes.

    Args:
        networks: one or more.
        images: uint8 of shape (height, width), all of one size; read a batch at a time.
        batch_size: images a call. The last batch is filled up, so that every call has the same shape: one image at
            a time is many times slower with oneDNN.
        flips: whether to average over the image, its left-right, its up-down mirror image, and both at once.

    Yields:
        A prediction for each image in turn.
    """
    remaining = iter(images)
    views: list[tuple[int, ...]] = [(), (2,), (1,), (1, 2)] if flips else [()]
    while batch := list(islice(remaining, batch_size)):
        filled = np.stack(batch + [batch[-1]] * (batch_size - len(batch)))
        pixels, presence = np.zeros(1, np.float32), np.zeros(1, np.float32)
        for network in networks:
            for view in views:
                of_pixels, of_image = network(tf.constant(np.flip(filled, view)))
                pixels = pixels + np.flip(of_pixels.numpy(), view)
                presence = presence + of_image.numpy()
        scale = np.float32(255 / (len(networks) * len(views)))
        yield from map(Prediction, _rounded(pixels * scale)[: len(batch)], _rounded(presence * scale))


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.rint(values).astype(np.uint8)
