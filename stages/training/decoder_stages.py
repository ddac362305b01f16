"""The stages of the decoders of segmentation_models: found while they are built, and given an attention.

segmentation_models builds each stage by a function of one of its modules, and looks that function up when it builds a
network.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import tensorflow as tf
from segmentation_models.models import fpn, linknet, unet

from stages.training.replaced_layers import replaced_in

keras: Any = tf.keras

BLOCKS = (
    (unet, "DecoderUpsamplingX2Block"),
    (linknet, "DecoderUpsamplingX2Block"),
    (fpn, "DoubleConv3x3BnReLU"),  # the branches of the pyramid, before they are brought to one size
)
REDUCTION = 2  # of the channels in between, as in the source of `scse`


@contextmanager
def found(attention: str | None) -> Iterator[list[Any]]:
    """The outputs of the decoder stages that are built in the block, coarse to fine: at 1/16, 1/8, 1/4, 1/2, and 1.

    FPN has none of full resolution.

    Args:
        attention: None, or "scse": what follows each stage and belongs to its output.
    """
    stages: list[Any] = []

    def watched(block: Callable[..., Any]) -> Callable[..., Any]:
        def make(*arguments: Any, **named: Any) -> Callable[..., Any]:
            build = block(*arguments, **named)

            def stage(*inputs: Any) -> Any:
                features = build(*inputs)
                if attention == "scse":
                    features = scse(features, f"decoder_scse{len(stages)}")
                stages.append(features)
                return features

            return stage

        return make

    with ExitStack() as stack:
        for module, name in BLOCKS:
            stack.enter_context(replaced_in(module, name, watched(getattr(module, name))))
        yield stages


def scse(features: Any, name: str) -> Any:
    """Concurrent spatial and channel squeeze and excitation: features · (gate of the channel + gate of the place).

    The gates of the channels, 0 … 1, come from their means over the image through two layers, those of the places from
    the channels there. Source: Roy, Navab, Wachinger, Concurrent Spatial and Channel 'Squeeze & Excitation' in Fully
    Convolutional Networks, 2018.

    Args:
        features: (batch, height, width, channel).
        name: of the layers.

    Returns:
        The same shape.
    """
    channels = int(features.shape[-1])
    means = keras.layers.GlobalAveragePooling2D(keepdims=True, dtype="float32", name=f"{name}_means")(features)
    squeezed = keras.layers.Conv2D(max(1, channels // REDUCTION), 1, activation="relu", name=f"{name}_squeeze")(means)
    of_channel = keras.layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_channel")(squeezed)
    of_place = keras.layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_place")(features)
    gates = keras.layers.Add(name=f"{name}_gates")([of_channel, of_place])
    return keras.layers.Multiply(name=name)([features, gates])
