"""Other layers than Keras's in the networks of segmentation_models, which looks layers up in Keras by their names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

keras: Any = tf.keras


@contextmanager
def replaced(layer: type) -> Iterator[None]:
    """Let networks that are built in the block use this layer instead of the one of the same name in Keras."""
    name = layer.__name__
    before = getattr(keras.layers, name)
    setattr(keras.layers, name, layer)
    try:
        yield
    finally:
        setattr(keras.layers, name, before)
