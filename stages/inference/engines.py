"""`inference.engine`: the engine that runs the networks. Only the chosen one is imported."""

from collections.abc import Callable
from pathlib import Path

from stages.inference import cpu, tensorflow_start
from stages.inference.averaging import Network
from stages.pipeline.cli import UserError


def load(engine: str, folder: Path) -> Network:
    """Load a network that train has saved.

    Args:
        engine: "tensorflow" or "openvino".
        folder: of one SavedModel.

    Raises:
        UserError: there is no SavedModel, OpenVINO is not installed, or the environment gives an impossible number of
            threads.
    """
    if engine not in ("tensorflow", "openvino"):
        raise ValueError(f"engine: expected tensorflow or openvino, found {engine!r}")
    cpu.configure()
    cpu.threads()
    if engine == "openvino":
        from stages.inference import openvino

        return _loaded(openvino.load, folder)
    tensorflow_start.start()
    from stages.inference import savedmodel

    return _loaded(savedmodel.load, folder)


def _loaded(load: Callable[[Path], Network], folder: Path) -> Network:
    """Load a network; whatever an engine raises about a damaged one becomes one message."""
    try:
        return load(folder)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  (engines raise many types)
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{folder}: expected the network that train writes, found one that cannot be loaded ({reason}): "
            "run dvc repro --force train"
        ) from None
