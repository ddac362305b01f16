"""Networks run by OpenVINO on the processor, directly from the SavedModel, without TensorFlow.

OpenVINO sums in another order than TensorFlow. In float32, probabilities differ in the last bits, so a few levels
differ by one after rounding. bfloat16 and int8 differ more; `evaluate` says by how much.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stages.inference import averaging, cpu
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError

QUANTIZED = "network.xml"  # in the folder of a quantised or exported network, beside its weights, network.bin
# What OpenVINO computes with where a network does not say otherwise: by default it takes what the processor has.
HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}


def imported() -> Any:
    """The package, and everything that is imported after it, without the one by which they send usage data.

    Raises:
        UserError: it cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(
            f"params.yaml: inference: engine: openvino cannot be imported ({error}): {sys.executable} -m pip install "
            "openvino"
        ) from None
    return openvino


def load(folder: Path, precision: str = "float32") -> averaging.Network:
    """Load what `stages.inference.savedmodel.save` has written, or what `stages.inference.quantization` or
    `stages.exporting.networks` has made of it: network.xml, which is taken where it lies in the folder.

    The network is compiled at its first call, for the size of those images: with known sizes, padding and cropping are
    resolved in advance. The images of a batch are computed in parallel, each on its share of the cores.

    Args:
        folder: of a SavedModel, or of network.xml; for int8, of a quantised network.
        precision: a key of `HINTS`.

    Raises:
        UserError: there is no network, or OpenVINO is not installed.
    """
    own = precision == "int8" or (folder / QUANTIZED).is_file()
    if not own:
        averaging.check(folder)
    openvino = imported()
    core = openvino.Core()
    network_on_disk = core.read_model(folder / QUANTIZED if own else folder)
    cores = cpu.threads() or os.cpu_count() or 1

    @cache
    def requests(batch: int, *shape: int) -> tuple[Any, int]:
        model = network_on_disk.clone()
        model.reshape([1, *shape])
        configuration = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": min(batch, cores),
            "INFERENCE_NUM_THREADS": cpu.threads(),
        }
        compiled = core.compile_model(model, "CPU", configuration)
        queue = openvino.AsyncInferQueue(compiled, min(batch, cores))
        queue.set_callback(_keep)
        return queue, compiled.outputs[0].shape[-1]

    def network(images: UInt8) -> tuple[Float32, Float32]:
        queue, classes = requests(*images.shape)
        found = np.empty((*images.shape[:3], classes), np.float32), np.empty((len(images), classes), np.float32)
        for number in range(len(images)):
            queue.start_async([images[number : number + 1]], (found, number))
        queue.wait_all()
        return found

    return network


def _keep(request: Any, place: tuple[tuple[Float32, Float32], int]) -> None:
    """Copy the result of a request, before the request is used for the next image."""
    (pixels, presence), number = place
    for tensor in request.output_tensors:  # their order is not guaranteed
        (pixels if tensor.data.ndim == 4 else presence)[number] = tensor.data[0]
