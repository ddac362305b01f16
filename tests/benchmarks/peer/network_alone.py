"""The network alone, on images in memory, by PyTorch or onnxruntime."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.peer import network


def prepare(folder: Path, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], list[int]]]:
    """Load the network, call it once, and describe it and its answer.

    The work calls it options["calls"] times with the batch in FOLDER/batch.npy, and returns the last answer's shape.
    """
    images = np.load(folder / "batch.npy")
    model = network.with_masks(network.build(options), images, options)
    call = CALLS[options["engine"]](model, images, options)
    found = call()
    answer = {
        "shape": list(found.shape),
        "finite": bool(np.isfinite(found).all()),
        "share": float((found.max(axis=1) >= 0.5).mean()),
    }

    def work() -> list[int]:
        for _ in range(options["calls"]):
            found = call()
        return list(found.shape)

    return network.describe(model) | answer, work


def _pytorch(model: Any, images: np.ndarray[Any, Any], options: dict[str, Any]) -> Callable[[], Any]:
    batch = torch.from_numpy(images)

    def call() -> Any:
        with torch.inference_mode(), network.precision(options):
            return model(batch).numpy()

    return call


def _onnxruntime(model: Any, images: np.ndarray[Any, Any], options: dict[str, Any]) -> Callable[[], Any]:
    import onnxruntime

    if options["precision"] != "float32":
        raise ValueError(f"onnxruntime: expected float32, found {options['precision']}")
    program = torch.onnx.export(model, (torch.from_numpy(images),), input_names=["images"], dynamo=True, verbose=False)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options["threads"]
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"images": images})[0]


CALLS = {"pytorch": _pytorch, "onnxruntime": _onnxruntime}
