"""All that imports TensorFlow: model, losses, batches, fitting, inference.

TensorFlow is imported here, once, after the switches that it reads at its import are set (those of the processor in
`stages.inference.cpu`); a value that the user has set is left alone. Importing this folder takes seconds: stages
that need no network do not.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from stages.inference import cpu  # noqa: F401, sets switches

os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
# segmentation_models and MultiWorkerMirroredStrategy need Keras 2 (the package tf-keras).
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


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


with _quiet():
    import tensorflow as tf

    GPUS = len(tf.config.list_physical_devices("GPU"))
    if not os.environ.get("TF_CONFIG"):  # several workers must meet before
        tf.zeros(1)  # starts the devices
