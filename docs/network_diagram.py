"""The network as a diagram: a block for each resolution, the encoder on the left, the decoder on the right."""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

# How the names of decoder layers begin in segmentation_models' networks; all other layers belong to the encoder.
DECODER = ("center_", "decoder_", "fpn_", "segm_", "aggregation", "upsampling_stage", "final", "head")
OUTPUT = ("final_conv", "head_conv")
ENCODER_COLOUR, DECODER_COLOUR, END_COLOUR, INK = "#56B4E9", "#E69F00", "#D9D9D9", "#333333"


@dataclass(frozen=True)
class Block:
    """All layers of the encoder or the decoder at one resolution.

    Attributes:
        height, width: pixels.
        channels: of the last layer.
        convolutions: how many layers are convolutions.
    """

    height: int
    width: int
    channels: int
    convolutions: int


@dataclass(frozen=True)
class Network:
    """What the diagram shows.

    Attributes:
        title: above the diagram.
        image: height and width of the image.
        downscale: factor between the image and the network's input.
        outputs: channels of the logits.
        encoder, decoder: blocks by level; level k is 1 / 2**k of the network's input.
        skips: levels at which the decoder reads the encoder's features.
    """

    title: str
    image: tuple[int, int]
    downscale: int
    outputs: int
    encoder: dict[int, Block]
    decoder: dict[int, Block]
    skips: frozenset[int]


def read(model: Any, keras: Any, title: str, image: tuple[int, int], downscale: int) -> Network:
    """Read the blocks from the layers of a Keras model that `stages.training.model.build` made."""
    inner = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    layers = [layer for layer in inner.layers if not isinstance(layer, keras.layers.InputLayer)]
    height, width = (side // downscale for side in image)
    channels = inner.input_shape[-1]
    probe = keras.Model(inner.inputs, [layer.output for layer in layers])
    shapes = dict(
        zip((layer.name for layer in layers), probe.compute_output_shape((1, height, width, channels)), strict=True)
    )
    parts: tuple[dict[int, Block], dict[int, Block]] = ({}, {})
    skips = set()
    last_of_encoder = [layer.name for layer in layers if not layer.name.startswith(DECODER)][-1]
    for layer in layers:
        _, rows, columns, depth = shapes[layer.name]
        level = round(math.log2(height / rows))
        decodes = layer.name.startswith(DECODER)
        if rows * 2**level == height and not layer.name.startswith((*OUTPUT, "linear")):
            part = parts[decodes]
            before = part[level].convolutions if level in part else 0
            part[level] = Block(rows, columns, depth, before + isinstance(layer, keras.layers.Conv2D))
        if decodes:
            inbound = layer.inbound_nodes[0].inbound_layers
            for source in inbound if isinstance(inbound, list) else [inbound]:
                if not source.name.startswith(DECODER) and source.name != last_of_encoder:
                    skips.add(round(math.log2(height / shapes[source.name][1])))
    encoder, decoder = parts
    encoder.pop(0, None)  # the network's own input
    decoder.pop(max(encoder), None)
    return Network(title, image, downscale, inner.output_shape[-1], encoder, decoder, frozenset(skips))


WIDE, HIGH, STEP, ROW = 2.3, 0.62, 0.72, 1.0  # of a block; what a level moves inwards; between levels


def draw(network: Network, path: Path) -> None:
    """Write the diagram as a PNG."""
    levels = max(network.encoder)
    width = 2 * levels * STEP + 2 * WIDE + 1.2
    figure = Figure((12, 6.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_xlim(-0.1, width + 0.1)
    axes.set_ylim(-(levels + 0.62) * ROW, 1.55 * ROW)
    axes.set_axis_off()
    axes.set_title(network.title, fontsize=15)
    left = {level: WIDE / 2 + (level - 1) * STEP for level in range(levels + 1)}
    right = {level: width - place for level, place in left.items()}
    left[0], right[0] = left[1], right[1]
    bottom = width / 2

    height, wide = network.image
    small = f"{height // network.downscale}×{wide // network.downscale}"
    _box(axes, left[1], ROW, f"image\n{height}×{wide}, grey", END_COLOUR)
    _box(axes, right[1], ROW, f"logits\n{height}×{wide}, {network.outputs} channels", END_COLOUR)
    _arrow(axes, (left[1], ROW - HIGH / 2), (left[1], HIGH / 2))
    _arrow(axes, (right[1], HIGH / 2), (right[1], ROW - HIGH / 2))
    _box(axes, left[1], 0, f"input of the network\n{small}", END_COLOUR)
    if network.downscale > 1:
        axes.text(left[1] + 0.12, ROW / 2, f"÷ {network.downscale}", va="center", fontsize=11, color=INK)
        axes.text(right[1] - 0.12, ROW / 2, f"× {network.downscale}", va="center", ha="right", fontsize=11, color=INK)

    for level, block in network.encoder.items():
        deepest = level == levels
        _box(axes, bottom if deepest else left[level], -level * ROW, _describe(block), ENCODER_COLOUR)
        end = (bottom - WIDE / 2, -level * ROW) if deepest else (left[level], -level * ROW + HIGH / 2)
        _arrow(axes, (left[level - 1], -(level - 1) * ROW - HIGH / 2), end)
    for level, block in network.decoder.items():
        _box(axes, right[level], -level * ROW, _describe(block), DECODER_COLOUR)
    ups = sorted(network.decoder)
    for upper, lower in pairwise(ups):
        _arrow(axes, (right[lower], -lower * ROW + HIGH / 2), (right[upper], -upper * ROW - HIGH / 2))
    _arrow(axes, (bottom + WIDE / 2, -levels * ROW), (right[ups[-1]], -ups[-1] * ROW - HIGH / 2))
    for level in network.skips & network.decoder.keys():
        _arrow(axes, (left[level] + WIDE / 2, -level * ROW), (right[level] - WIDE / 2, -level * ROW), dashed=True)
        axes.text(bottom, -level * ROW + 0.06, "skip connection", ha="center", va="bottom", fontsize=9, color=INK)
    for x, name, colour in ((left[1] - WIDE / 2, "encoder", ENCODER_COLOUR), (right[1], "decoder", DECODER_COLOUR)):
        square = Rectangle((x, -levels * ROW - 0.12), 0.24, 0.24, facecolor=colour, edgecolor=INK)
        axes.add_patch(square)
        axes.text(x + 0.36, -levels * ROW, name, va="center", fontsize=12, color=INK)
    figure.savefig(path, metadata={"Software": None})


def _describe(block: Block) -> str:
    plural = "" if block.convolutions == 1 else "s"
    return f"{block.height}×{block.width}, {block.channels} channels\n{block.convolutions} convolution{plural}"


def _box(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    corner = (x - WIDE / 2 + 0.05, y - HIGH / 2 + 0.05)
    box = FancyBboxPatch(corner, WIDE - 0.1, HIGH - 0.1, boxstyle="round,pad=0.05", facecolor=colour, edgecolor=INK)
    axes.add_patch(box)
    axes.text(x, y, text, ha="center", va="center", fontsize=10.5, color="black")


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], dashed: bool = False) -> None:
    style = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.4, "linestyle": "--" if dashed else "-"}
    axes.annotate("", end, start, arrowprops=style | {"shrinkA": 0, "shrinkB": 0})
