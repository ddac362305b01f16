"""From a SavedModel to ONNX, by tf2onnx."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from stages.exporting import onnx_graph
from stages.inference import onnx, tensorflow_start
from stages.pipeline import settings
from stages.pipeline.cli import UserError

OPSET = 17  # of ONNX 1.12, from 2022
MOST = 1e-3  # by which a probability may differ; masks are made of 255ths
SIZES = ((64, 96), (37, 53))  # at which it is tried: the second has to be filled up to the network's stride
PACKAGES = ("tf2onnx", "onnx", "onnxruntime")
LOUD = ("tensorflow", "tf2onnx")  # their loggers


def convert(network: Path, folder: Path, channels: int) -> float:
    """Convert a network, and compare the answers of both to noisy images.

    Two conversions write the same bytes.

    Args:
        network: the folder of a SavedModel that train has written.
        folder: gets network.onnx; made if necessary.
        channels: of the images, 1 or 3.

    Returns:
        The largest difference between two probabilities.

    Raises:
        UserError: an operation has no counterpart in ONNX, or the answers differ.
    """
    import onnx as package

    with _quiet():
        model = _converted(network)
    unknown = sorted({node.op_type for node in model.graph.node if not package.defs.has(node.op_type)})
    if unknown:
        raise _unconvertible(network, f"{', '.join(unknown)} left over")
    package.checker.check_model(model, full_check=True)
    folder.mkdir(parents=True, exist_ok=True)
    package.save_model(model, str(folder / onnx.CONVERTED))
    return _compared(network, folder, channels)


def check_packages() -> None:
    """See that what a conversion needs is installed.

    Raises:
        UserError: it is not.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(
            f"--format onnx: expected the packages {', '.join(PACKAGES)}, found no {', no '.join(missing)}: "
            f"{settings.installing(' '.join(missing))}"
        )


def _converted(network: Path) -> Any:
    tensorflow_start.start()
    import tf2onnx
    from tf2onnx import tf_loader

    try:
        graph, (image,), outputs = tf_loader.from_saved_model(str(network), None, None, concrete_function=0)
        model, _ = tf2onnx.convert.from_graph_def(
            graph,
            opset=OPSET,
            input_names=[image],
            output_names=outputs,
            tensors_to_rename=dict(zip([image, *outputs], [image.partition(":")[0], *onnx.OUTPUTS], strict=True)),
            custom_op_handlers={"FloorMod": (_floor_mod, [])},
        )
    except Exception as error:  # noqa: BLE001  (it raises many types)
        raise _unconvertible(network, " ".join(str(error).split())[:200]) from None
    return onnx_graph.tidied(model, network.name)


def _floor_mod(context: Any, node: Any, name: str, arguments: Any) -> None:
    """For whole numbers ONNX's Mod takes the sign of the divisor, as TensorFlow's FloorMod does.

    tf2onnx 1.17 divides whole numbers towards 0 instead. That is wrong for the negative ones of
    `stages.training.model.PadToStride`: images would be cut off, not filled up.
    """
    node.type = "Mod"


def _compared(network: Path, folder: Path, channels: int) -> float:
    from stages.inference import savedmodel

    ours, theirs, differences = savedmodel.load(network), onnx.load(folder), []
    for number, size in enumerate(SIZES):
        shape = (number + 1, *size) if channels == 1 else (number + 1, *size, channels)
        images = np.random.default_rng(number).integers(0, 256, shape).astype(np.uint8)
        for one, other in zip(ours(images), theirs(images), strict=True):
            if np.shape(one) != np.shape(other):
                raise _unconvertible(network, f"answers of shape {np.shape(other)}, not {np.shape(one)}")
            differences.append(np.abs(np.asarray(one) - np.asarray(other)).max(initial=0))
    largest = float(np.max(differences))  # NaN if one is
    if not largest <= MOST:
        raise _unconvertible(network, f"probabilities that differ by {largest:.2g}, more than {MOST}")
    return largest


def _unconvertible(network: Path, found: str) -> UserError:
    return UserError(
        f"{network}: expected a network that tf2onnx can convert to ONNX (opset {OPSET}), found: {found}: choose "
        "--format openvino or savedmodel"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the dozens of lines by which both packages tell what they do. Failures still raise."""
    loggers = [logging.getLogger(name) for name in LOUD]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
