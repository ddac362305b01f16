"""`inference.engine`: the engine that runs the networks. Only the chosen one is imported."""

from pathlib import Path

from stages.inference import cpu, tensorflow_start
from stages.inference.averaging import Network


def load(engine: str, folder: Path) -> Network:
    """Load a network that train has saved.

    Args:
        engine: "tensorflow" or "openvino".
        folder: of one SavedModel.

    Raises:
        UserError: there is no SavedModel, OpenVINO is not installed, or the environment gives an impossible number of
            threads.
    """
    cpu.configure()
    cpu.threads()
    if engine == "openvino":
        from stages.inference import openvino

        return openvino.load(folder)
    if engine == "tensorflow":
        tensorflow_start.start()
        from stages.inference import savedmodel

        return savedmodel.load(folder)
    raise ValueError(f"engine: expected tensorflow or openvino, found {engine!r}")
