"""Deep supervision: in training, coarser stages of the decoder predict the masks too, each through a 1×1 convolution.

Their targets are the labels of every 4th, 8th or 16th pixel (at half the resolution), as in nnU-Net (Isensee et al.,
2021), and each stage's loss weighs half as much as that of the next finer one. Source: Lee et al., Deeply-Supervised
Nets, 2015.
"""

from typing import Any

import tensorflow as tf

from stages.pipeline.settings import Train

keras: Any = tf.keras

NAME = "deep_"  # the outputs' names: this and the stride
STRIDES = (8, 4, 2)  # of the stages that predict, in pixels that the network sees


def features(stages: list[Any]) -> list[Any]:
    """Those that predict of all stages of a decoder, from 1/16 of the resolution on."""
    return stages[1 : 1 + len(STRIDES)]


def heads(stages: list[Any], channels: int) -> dict[str, Any]:
    """The additional outputs: logits, float32 (batch, height, width, channels), of the stages' sizes."""
    return {
        f"{NAME}{stride}": keras.layers.Conv2D(channels, 1, name=f"{NAME}{stride}")(stage)
        for stride, stage in zip(STRIDES, stages, strict=True)
    }


def labels(of_pixels: tf.Tensor, options: Train) -> dict[str, tf.Tensor]:
    """The additional outputs' labels: of the pixel in the middle of each square that one place stands for.

    Args:
        of_pixels: label maps (batch, height, width), or planes (batch, height, width, classes).
        options: the section `train` of params.yaml.

    Returns:
        The same with fewer rows and columns, by name.
    """
    if not options.deep_supervision:
        return {}
    found = {}
    for stride in STRIDES:
        step = stride * options.downscale
        rows, columns = (slice(min(step, side) // 2, None, step) for side in of_pixels.shape[1:3])
        found[f"{NAME}{stride}"] = of_pixels[:, rows, columns]
    return found


def losses(loss: Any, options: Train) -> tuple[dict[str, Any], dict[str, float]]:
    """The additional outputs' losses and their weights, by name."""
    if not options.deep_supervision:
        return {}, {}

    def of_stage(true: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return loss(true, logits[:, : tf.shape(true)[1], : tf.shape(true)[2]])  # the network fills up the image

    names = {stride: f"{NAME}{stride}" for stride in STRIDES}
    weights = {name: options.deep_supervision * STRIDES[-1] / stride for stride, name in names.items()}
    return dict.fromkeys(weights, of_stage), weights


def removed(network: Any) -> Any:
    """The network without these outputs: as it is validated and exported. Itself, if it has none."""
    outputs = dict(zip(network.output_names, network.outputs, strict=True))
    kept = {name: output for name, output in outputs.items() if not name.startswith(NAME)}
    if len(kept) == len(outputs):
        return network
    return keras.Model(network.inputs, kept if len(kept) > 1 else kept["logits"])


def layers(network: Any) -> list[Any]:
    """The layers that `removed` leaves out."""
    return [layer for layer in network.layers if layer.name.startswith(NAME)]
