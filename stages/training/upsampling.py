"""Nearest-neighbour upsampling whose gradient a GPU computes the same way every time, and which XLA can compile.

TensorFlow has no deterministic gradient of it for GPUs: a training that asks for determinism, as ours does, ends with
`UnimplementedError` in its first step. XLA has no gradient of it at all. The gradient is the sum over the pixels that
were copied from one, which is average pooling times their number. In float32 on a CPU the two are equal bit by bit for
factors that are powers of two.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

keras: Any = tf.keras


# Named like Keras's layer, which it replaces, so that the layers of a network keep their names.
class UpSampling2D(keras.layers.UpSampling2D):  # type: ignore[misc]
    """Keras's layer; outside of training, and with another interpolation, exactly that."""

    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        """Take (batch, height, width, channel); give `size` times as many rows and columns."""
        plain = super().call
        if self.interpolation != "nearest" or not (isinstance(training, int) and training):
            return plain(inputs)
        height, width = self.size

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def nearest(images: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
            def gradient(of_output: tf.Tensor) -> tf.Tensor:
                return height * width * tf.nn.avg_pool2d(of_output, self.size, self.size, "VALID")

            return plain(images), gradient

        return nearest(inputs)
