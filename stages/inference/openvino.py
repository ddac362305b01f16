"""Networks run by OpenVINO on the processor, straight from the SavedModel: TensorFlow is not imported.

Its sums have another order than TensorFlow's: a probability differs in the last bits of a float, which moves a 255th by
one here and there.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from stages.inference import averaging, cpu
from stages.pipeline.cli import UserError


def load(folder: Path) -> averaging.Network:
    """Load what `stages.inference.savedmodel.save` has written.

    It is compiled at its first call, for images of that size: with sizes that are known what mirrors and crops them
    needs no computing. The images of a batch are computed side by side, each by its share of the cores.

    Raises:
        UserError: there is no SavedModel, or OpenVINO is not installed.
    """
    averaging.check(folder)
    try:
        import openvino  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(f"params.yaml: inference: engine: openvino cannot be imported: {error}") from None
    core = openvino.Core()
    cores = cpu.threads() or os.cpu_count() or 1

    @cache
    def requests(batch: int, height: int, width: int) -> tuple[Any, int]:
        model = core.read_model(folder)
        model.reshape([1, height, width])
        configuration = {
            "INFERENCE_PRECISION_HINT": "f32",  # never bfloat16, also where the processor has it
            "NUM_STREAMS": min(batch, cores),
            "INFERENCE_NUM_THREADS": cpu.threads(),
        }
        compiled = core.compile_model(model, "CPU", configuration)
        queue = openvino.AsyncInferQueue(compiled, min(batch, cores))
        queue.set_callback(_keep)
        return queue, compiled.outputs[0].shape[-1]

    def network(images: averaging.Grey) -> tuple[averaging.Floats, averaging.Floats]:
        queue, classes = requests(*images.shape)
        found = np.empty((*images.shape, classes), np.float32), np.empty((len(images), classes), np.float32)
        for number in range(len(images)):
            queue.start_async([images[number : number + 1]], (found, number))
        queue.wait_all()
        return found

    return network


def _keep(request: Any, place: tuple[tuple[averaging.Floats, averaging.Floats], int]) -> None:
    """Copy what a request has found, before it is given the next image."""
    (pixels, presence), number = place
    for tensor in request.output_tensors:  # their order is not promised
        (pixels if tensor.data.ndim == 4 else presence)[number] = tensor.data[0]
