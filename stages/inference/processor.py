"""What this machine can compute with: decides what `precision: auto` and `inference.engine: auto` mean."""

from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
NVIDIA = (Path("/proc/driver/nvidia/gpus"), Path("/dev/nvidiactl"))  # what its driver shows
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})  # as Linux calls them


@cache
def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself; elsewhere they are converted, which takes longer.

    Known on Linux for x86 alone. On any other system the answer is no.
    """
    try:
        text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")), "")
    return not BFLOAT16.isdisjoint(flags.split())


def has_nvidia_gpu() -> bool:
    """Whether the machine has an NVIDIA GPU with a driver; asked without TensorFlow, which takes seconds to start."""
    listed, control = NVIDIA
    return control.exists() or (listed.is_dir() and any(listed.iterdir()))
