"""The encoder of a network that `stages.training.model` builds: its variables, and whether it learns."""

from typing import Any

import tensorflow as tf

from stages.training.model import DECODERS

keras: Any = tf.keras


def layers(network: Any) -> list[Any]:
    """The layers from the image to the encoder's last features."""
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    decoder = next(layer for layer in inner.layers if layer.name.startswith(DECODERS))
    return list(keras.Model(inner.input, decoder.input).layers)


def variables(network: Any) -> list[tf.Variable]:
    """Those that are trained."""
    return [variable for layer in layers(network) for variable in layer.trainable_variables]


def freeze(network: Any) -> None:
    """Keep the encoder's weights, and the moving averages of its batch normalisation, which then uses them."""
    for layer in layers(network):
        layer.trainable = False


class Unfreeze(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets a frozen encoder learn from an epoch on.

    A training step is traced for the weights that it trains, so it is traced once more then. While the encoder is
    frozen, no gradient of it is computed, and an epoch takes less time.
    """

    def __init__(self, frozen_epochs: int) -> None:
        super().__init__()
        self.frozen_epochs = frozen_epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Unfreeze, once. A resumed training may begin behind that epoch."""
        if self.frozen_epochs and epoch >= self.frozen_epochs:
            self.frozen_epochs = 0
            for layer in layers(self.model):
                layer.trainable = True
            self.model.make_train_function(force=True)
