"""Whether TensorFlow can compute on the GPUs of this machine; one message if it cannot."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError

HIDING = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each card of NVIDIA's driver
DEVICES = Path("/dev")  # in containers: nvidia0, nvidia1, …


def start(tensorflow: Any) -> None:
    """Start the devices and compute something on each GPU.

    TensorFlow lists cards on which it cannot compute: those that it ignores because they are too old, and those that
    are so new that it has no code for them, which the first kernel shows.

    Args:
        tensorflow: the module.

    Raises:
        UserError: a GPU is listed, and cannot be used.
    """
    listed = tensorflow.config.list_physical_devices("GPU")
    try:
        usable = tensorflow.config.list_logical_devices("GPU")  # starts the devices
        for gpu in usable:
            with tensorflow.device(gpu.name):
                (tensorflow.ones(1) * 2).numpy()
        if not listed:
            tensorflow.zeros(1)
    except (RuntimeError, ValueError, tensorflow.errors.OpError) as error:
        if not listed:
            raise
        raise _unusable(tensorflow, listed, " ".join(str(error).split())[:300]) from None
    if len(usable) < len(listed):
        raise _unusable(tensorflow, listed, "TensorFlow ignores it: its compute capability is too low")


def _unusable(tensorflow: Any, listed: list[Any], reason: str) -> UserError:
    details = [tensorflow.config.experimental.get_device_details(gpu) for gpu in listed]
    names = ", ".join(
        f"{of.get('device_name', 'a GPU')} (compute capability "
        f"{'.'.join(map(str, of.get('compute_capability', ('unknown',))))})"
        for of in details
    )
    return UserError(
        f"GPU: expected one that TensorFlow {tensorflow.__version__} can compute on, found {names}, which fails "
        f"({reason}): update NVIDIA's driver, see with nvidia-smi whether another process fills its memory, or compute "
        f"on the CPU: {HIDING}=-1"
    )


def cards() -> int:
    """How many NVIDIA cards the system shows to this process; none if `CUDA_VISIBLE_DEVICES` hides them all."""
    if os.environ.get(HIDING, "0").strip() in ("", "-1"):
        return 0
    of_driver = len(list(DRIVER.iterdir())) if DRIVER.is_dir() else 0
    return max(of_driver, len(list(DEVICES.glob("nvidia[0-9]*"))))


def expected() -> bool:
    """Whether TensorFlow should find a GPU: the system shows a card, and the build for CPUs alone is not installed.

    Asked without TensorFlow, which takes seconds to start.
    """
    return cards() > 0 and not _is_installed("tensorflow-cpu")


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def unused(gpus: int) -> str:
    """What to say where TensorFlow lists no GPU although the system shows a card; empty otherwise."""
    if gpus or not cards():
        return ""
    return (
        f"although the system shows {cards()} NVIDIA card(s): its CUDA libraries are missing (make GPU=1 installs "
        "them) or NVIDIA's driver is older than they need (nvidia-smi shows its version)"
    )
