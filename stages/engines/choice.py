"""`inference.engine`: which of the engines runs the networks. Only the one that is chosen is imported."""

from pathlib import Path

from stages.engines import processor
from stages.engines.networks import Network


def load(engine: str, folder: Path) -> Network:
    """Load what train has saved.

    Args:
        engine: "tensorflow" or "openvino".
        folder: of one SavedModel.

    Raises:
        UserError: there is no SavedModel, no OpenVINO, or an impossible number of threads in the environment.
    """
    processor.threads()
    if engine == "openvino":
        from stages.engines import openvino

        return openvino.load(folder)
    if engine == "tensorflow":
        from stages.network import inference

        return inference.load(folder)
    raise ValueError(f"engine: expected tensorflow or openvino, found {engine!r}")
