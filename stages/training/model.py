"""The network: from grey levels or colours to logits, for images of any size."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import segmentation_models as sm
import tensorflow as tf

from stages.inference.averaging import STRIDE
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train
from stages.training import decoder_stages, deep_supervision, efficientnet_lite, whole_batch
from stages.training.depthwise import DepthwiseConv2D
from stages.training.losses import LOSSES
from stages.training.mixup import Mixing
from stages.training.replaced_layers import replaced
from stages.training.upsampling import UpSampling2D

keras: Any = tf.keras

FOUR = 4  # stages of a decoder that ends at half of the encoder's resolution
# In segmentation_models' networks, the layers that take the encoder's last features have names that begin like this.
DECODERS = ("center_block", "decoder_stage0", "fpn_stage_p5_pre_conv", "fpn_stage_p5_upsampling")


class PadToStride(keras.layers.Layer):  # type: ignore[misc]
    """Mirror an image at its right and lower edges until its sides are multiples of `stride` pixels."""

    def __init__(self, stride: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.stride = stride

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Take and give float tensors of shape (batch, height, width, channel)."""
        for axis in (1, 2):
            length = tf.shape(images)[axis]
            padded = length + -length % self.stride
            place = tf.range(padded) % (2 * length)  # back and forth as often as needed
            images = tf.gather(images, tf.minimum(place, 2 * length - 1 - place), axis=axis)
        return images


class CropLike(keras.layers.Layer):  # type: ignore[misc]
    """Remove what `PadToStride` added."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Take (padded, original); give the upper left part of `padded` that has the size of `original`."""
        padded, original = inputs
        shape = tf.shape(original)
        return padded[:, : shape[1], : shape[2]]


@contextmanager
def _policy(precision: str) -> Iterator[None]:
    """Let the layers that are built in the block compute in `precision`, and no others.

    segmentation_models builds its layers itself, so the global policy has to change while it does.
    """
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(precision)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def bare(network: Any) -> Any:
    """The same layers and weights without optimizer and metrics, as a file of weights should hold them.

    What serves training alone is left out: see `stages.training.deep_supervision`.
    """
    exported = deep_supervision.removed(network)
    return keras.Model(exported.inputs, exported.outputs)


def build(options: Train, classes: int, channels: int = 1) -> Any:
    """Build the network, with initial weights as `options.encoder_weights` says.

    The architectures and encoders are those of `segmentation_models`.

    Args:
        options: the section `train` of params.yaml.
        classes: how many classes there are, the background not counted.
        channels: of the images: 1 for grey levels, 3 for colours, red first.

    Returns:
        A Keras model from images, float32 (batch, height, width, channels) in 0 … 255, to logits, float32
        (batch, height, width, 1 + classes), the background first; a sigmoid loss has no channel for the background.
        Height and width are free. With `options.presence_weight` there are two named outputs: these "logits", and
        "presence", the logits that each class is in the image, float32 (batch, classes). The outputs that
        `options.deep_supervision` adds are in `stages.training.deep_supervision`. The layers in between compute in
        `options.precision`; the weights are float32.

    Raises:
        UserError: the encoder's weights could not be fetched or read.
    """
    efficientnet_lite.register()
    image = keras.Input((None, None, channels), name="grey_levels" if channels == 1 else "colours")
    padded = PadToStride(STRIDE * options.downscale, name="pad")(image)
    if options.downscale > 1:
        padded = keras.layers.AveragePooling2D(options.downscale, name="downscale")(padded)
    if options.encoder_weights is None:
        # About mean 0 and standard deviation 1, the initial moving averages of batch normalisation.
        scaled = keras.layers.Rescaling(1 / 64, offset=-1.5, name="scale")(padded)
    else:
        if channels == 1 and options.backbone not in efficientnet_lite.ENCODERS:
            padded = keras.layers.Concatenate(name="grey_as_colour")([padded] * 3)
            channels = 3
        scaled = _preprocessing(options.backbone)(padded)
    outputs_per_pixel = classes + (LOSSES[options.loss].activation == "softmax")
    network = _inner_network(options, channels, classes, outputs_per_pixel)
    pixels, *others = tf.nest.flatten(network(scaled))
    logits = keras.layers.Activation("linear", dtype="float32", name="full_precision")(pixels)
    reduced = options.downscale * (2 if len(options.decoder_filters) == FOUR else 1)
    if reduced > 1:
        logits = keras.layers.UpSampling2D(reduced, interpolation="bilinear", name="upscale")(logits)
    logits = CropLike(name="logits")([logits, image])
    outputs = {"logits": logits}
    if options.presence_weight:
        outputs["presence"] = keras.layers.Activation("linear", dtype="float32", name="presence")(others.pop(0))
    if options.deep_supervision:
        outputs |= deep_supervision.heads(others, outputs_per_pixel)
    return Mixing(options.mixup, image, outputs if len(outputs) > 1 else logits, name=options.architecture.lower())


def _inner_network(options: Train, channels: int, classes: int, outputs_per_pixel: int) -> Any:
    """The layers that compute in `options.precision`; those before and after them stay float32."""
    batch_normalization = (
        whole_batch.BatchNormalization if whole_batch.devices() > 1 else keras.layers.BatchNormalization
    )
    with (
        _policy(options.precision),
        replaced(batch_normalization),
        replaced(DepthwiseConv2D),
        replaced(UpSampling2D),
        decoder_stages.found(options.decoder_attention) as stages,
    ):
        network = _segmentation_network(options, channels, outputs_per_pixel)
        if options.presence_weight:
            network = _with_presence(network, classes)
        if options.deep_supervision:
            network = keras.Model(network.input, [*network.outputs, *deep_supervision.features(stages)])
    return network


def _with_presence(network: Any, classes: int) -> Any:
    """Give the network a second output: the logits that each class is in the image, float32 (batch, classes).

    A 1×1 convolution of the encoder's last features gives a logit for every place, and the output is the largest one.
    The maximum means the same for a crop and for an image of any size; an average would fall as the size grows.
    """
    decoder = next(layer for layer in network.layers if layer.name.startswith(DECODERS))
    places = keras.layers.Conv2D(classes, 1, name="presence_by_place")(decoder.input)
    return keras.Model(network.input, [network.output, keras.layers.GlobalMaxPooling2D(name="presence")(places)])


def _segmentation_network(options: Train, channels: int, outputs: int) -> Any:
    arguments: dict[str, Any] = {
        "backbone_name": options.backbone,
        "input_shape": (None, None, channels),
        "classes": outputs,
        "activation": "linear",
        "encoder_weights": options.encoder_weights,
    }
    if options.architecture == "FPN":  # its decoder has a single width, and dropout by default
        arguments |= {"pyramid_block_filters": options.decoder_filters[0], "pyramid_dropout": None}
    elif options.architecture == "Linknet":
        # Where no width is given, Linknet's stages take that of the encoder's.
        last = (options.decoder_filters[-1],) if len(options.decoder_filters) > FOUR else ()
        arguments |= {"decoder_filters": (None,) * FOUR + last}
    else:
        arguments |= {"decoder_filters": options.decoder_filters}
    try:
        network = getattr(sm, options.architecture)(**arguments)
    except UserError:
        raise
    except Exception as error:
        if options.encoder_weights not in (None, "imagenet"):
            raise UserError(
                f"params.yaml: train: encoder_weights: expected weights of {options.backbone} without its top in "
                f"{options.encoder_weights}, found others: {error}"
            ) from None
        if options.encoder_weights is None or "URL fetch failure" not in str(error):
            raise
        raise UserError(
            f"params.yaml: train: encoder_weights: the {options.encoder_weights} weights of {options.backbone} are "
            f"fetched once from the network and kept in ~/.keras/models; that failed: {error}. Connect this machine "
            "once, copy the file there from another machine, or set train.encoder_weights to null"
        ) from None
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = options.batch_norm_momentum
    return network


def _preprocessing(backbone: str) -> Any:
    """A layer that converts colours in 0 … 255 to what the encoder's ImageNet weights expect."""
    return keras.layers.Lambda(sm.get_preprocessing(backbone), name="imagenet_preprocessing")
