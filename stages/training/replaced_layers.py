"""Other layers than Keras's in the networks of segmentation_models, which looks layers up in Keras by their names.

The functions that build its blocks are looked up likewise, in its own modules.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

keras: Any = tf.keras


@contextmanager
def replaced(layer: type) -> Iterator[None]:
    """Let networks that are built in the block use this layer instead of the one of the same name in Keras."""
    with swapped(keras.layers, layer.__name__, layer):
        yield


@contextmanager
def swapped(module: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute of a module another value in the block."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
