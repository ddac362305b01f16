"""Other layers and functions than those that a library would use in the networks that it builds.

segmentation_models looks layers up in Keras by their names, and the functions that build its blocks in its own modules.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import tensorflow as tf

keras: Any = tf.keras


def replaced(layer: type) -> AbstractContextManager[None]:
    """Let networks that are built in the block use this layer instead of the one of the same name in Keras."""
    return replaced_in(keras.layers, layer.__name__, layer)


@contextmanager
def replaced_in(module: Any, name: str, other: Any) -> Iterator[None]:
    """Let what is built in the block find `other` where it looks up `name` in a module."""
    before = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, before)
