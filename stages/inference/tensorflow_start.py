"""The one place that sets TensorFlow's switches: whoever needs TensorFlow calls `start` before importing it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from stages.inference import cpu


def start() -> int:
    """Set the switches that TensorFlow reads when it is imported, and import it; a value that the user has set stays.

    Returns:
        How many GPUs there are.
    """
    cpu.configure()
    os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
    # segmentation_models and MultiWorkerMirroredStrategy need Keras 2 (the package tf-keras).
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    with _quiet():
        import tensorflow as tf

        gpus = len(tf.config.list_physical_devices("GPU"))
        if not os.environ.get("TF_CONFIG"):  # several workers must meet before
            tf.zeros(1)  # starts the devices
    return gpus


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's start quiet, unless TF_CPP_MIN_LOG_LEVEL is set.

    It writes a dozen lines about CPUs and missing GPUs straight to the process's stderr, before any setting of its own
    can stop it. What fails still raises.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        for descriptor in (stderr, nothing):
            os.close(descriptor)
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]  # it has been read; a process started from here decides anew
