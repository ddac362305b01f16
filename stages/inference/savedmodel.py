"""Networks that TensorFlow saves and runs: grey levels or colours in, probabilities out."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from stages.inference.averaging import Network, check, predictions

__all__ = ["Network", "Probability", "load", "predictions", "save", "wrapped"]


class Probability(tf.Module):  # type: ignore[misc]
    """A trained network as it is saved: grey levels in, probabilities out."""

    def __init__(self, model: Any, activation: str) -> None:
        super().__init__()
        self.activation = activation
        # Only the variables are tracked. A Keras model among the attributes would be traced layer by layer when saved,
        # which takes eight times as long and is useless without Keras.
        self.weights = list(model.variables)
        self._forward: Callable[[tf.Tensor], Any] = lambda grey: model(grey, training=False)

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, None, None), tf.uint8, name="grey_levels")]
    )
    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Take uint8 (batch, height, width); return two float32 arrays of probabilities.

        The first has the probability of each class at each pixel, (batch, height, width, classes), without the
        background; with softmax, the background's probability is 1 minus their sum. The second has the probability
        that each class is in the image, (batch, classes); it is 1 if the network has no image-level head.
        """
        return self._answer(tf.cast(images, tf.float32)[..., tf.newaxis])

    def _answer(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self._forward(images)
        logits = tf.cast(outputs["logits"] if isinstance(outputs, dict) else outputs, tf.float32)
        pixels = tf.nn.softmax(logits)[..., 1:] if self.activation == "softmax" else tf.nn.sigmoid(logits)
        if isinstance(outputs, dict):
            return pixels, tf.nn.sigmoid(tf.cast(outputs["presence"], tf.float32))
        return pixels, tf.ones_like(pixels[:, 0, 0])


class ColourProbability(Probability):
    """The same for colours: uint8 (batch, height, width, 3), red first."""

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, name="colours")]
    )
    def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As of `Probability`."""
        return self._answer(tf.cast(images, tf.float32))


def wrapped(model: Any, activation: str) -> Probability:
    """A Keras model as it is saved, for as many channels as it takes."""
    kind = Probability if model.inputs[0].shape[-1] == 1 else ColourProbability
    return kind(model, activation)


def save(model: Any, activation: str, folder: Path) -> None:
    """Save a trained Keras model, with its activation ("softmax" or "sigmoid"), as a SavedModel for TensorFlow alone.

    Two fresh processes write the same bytes for the same weights, since the fingerprint, which contains random numbers,
    is removed.
    """
    tf.saved_model.save(wrapped(model, activation), str(folder))
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    shutil.rmtree(folder / "assets", ignore_errors=True)


def load(folder: Path) -> Network:
    """Load what `save` has written.

    Raises:
        UserError: there is no SavedModel.
    """
    check(folder)
    loaded = tf.saved_model.load(str(folder))
    return lambda images: tuple(loaded(images))
