"""Depthwise convolutions at a precision at which processors are fast."""

from typing import Any

import tensorflow as tf

keras: Any = tf.keras


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """Computes in float32 where the layers around it compute in bfloat16 on a processor.

    On processors the gradients of a depthwise convolution take 2 to 6 times as long in bfloat16 as in float32, which is
    more than all other layers gain. Keras converts its input, and that of the next layer.
    """

    def __init__(self, *positional: Any, **arguments: Any) -> None:
        in_bfloat16 = keras.mixed_precision.global_policy().compute_dtype == "bfloat16"
        if in_bfloat16 and not tf.config.list_physical_devices("GPU"):
            arguments = {"dtype": "float32"} | arguments
        super().__init__(*positional, **arguments)
