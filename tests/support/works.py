"""Parts for the tests of `tests.benchmarks.gpu_worker`; they run in another process, which imports them from here."""

import os
import sys
import time
from typing import Any

from stages.pipeline.cli import UserError


def good(place: Any, figure: float) -> dict[str, Any]:
    """Figures, and in which process."""
    return {"figure": figure, "process": os.getpid()}


def fails(place: Any) -> dict[str, Any]:
    """An error like TensorFlow's."""
    raise RuntimeError(
        "Graph execution error:\n\nDetected at node a/b defined at\nno kernel image is available\n\t [[a/b]]"
    )


def aborts(place: Any) -> dict[str, Any]:
    """As a fault of CUDA does."""
    print("F0000 CUDA_ERROR_ILLEGAL_ADDRESS", file=sys.stderr, flush=True)
    os.abort()


def never_ends(place: Any) -> dict[str, Any]:
    """Longer than any budget."""
    time.sleep(600)
    return {}


def mistaken(place: Any) -> dict[str, Any]:
    """A mistake of the user."""
    raise UserError("GPU: expected one that works")
