"""Networks that `stages.exporting` has converted to ONNX, run by onnxruntime on the processor."""

import sys
from pathlib import Path

from stages.inference import cpu
from stages.inference.averaging import Network
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError

CONVERTED = "network.onnx"  # in the folder of a converted network
OUTPUTS = ("probabilities", "presence")


def load(folder: Path) -> Network:
    """Load a converted network. It takes batches and images of any size.

    Raises:
        UserError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            f"{folder}: onnxruntime cannot be imported ({error}): {sys.executable} -m pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu.threads()
    session = onnxruntime.InferenceSession(folder / CONVERTED, options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0].name

    def network(images: UInt8) -> tuple[Float32, Float32]:
        pixels, presence = session.run(OUTPUTS, {image: images})
        return pixels, presence

    return network
