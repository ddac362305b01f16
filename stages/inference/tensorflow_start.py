"""The one place that sets TensorFlow's switches. Whoever needs TensorFlow calls `start` before importing it."""

import contextlib
import io
import os
from collections.abc import Iterator

from stages.inference import cpu, gpus

# segmentation_models and MultiWorkerMirroredStrategy need Keras 2, which the package tf-keras holds.
FOR_TRAINING = {"TF_USE_LEGACY_KERAS": "1", "SM_FRAMEWORK": "tf.keras"}


def start(training: bool = False) -> int:
    """Set the switches that TensorFlow reads when it is imported, and import it.

    The environment's values stay, except two that training depends on (`FOR_TRAINING`): another value, set for other
    work, is replaced in this process and its children, with a message. Inference needs no Keras.

    Args:
        training: whether networks will be built and trained: Keras 2 and `segmentation_models`.

    Returns:
        How many GPUs there are.

    Raises:
        UserError: TensorFlow lists a GPU and cannot compute on it.
    """
    cpu.configure()
    if training:
        _select_keras()
    with _quiet():
        import tensorflow as tf

        listed = len(tf.config.list_physical_devices("GPU"))
    if not os.environ.get("TF_CONFIG"):  # several workers must meet first
        gpus.start(tf)  # not quietly: a fault of CUDA may end the process, after a line on stderr
    if training:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints which Keras it uses
            import segmentation_models  # noqa: F401
    return listed


def _select_keras() -> None:
    replaced = [
        f"{name}={os.environ[name]}" for name, value in FOR_TRAINING.items() if os.environ.get(name, value) != value
    ]
    if replaced:
        needed = " and ".join(f"{name}={value}" for name, value in FOR_TRAINING.items())
        print(f"train: the environment says {' and '.join(replaced)}; training uses {needed} instead", flush=True)
    os.environ.update(FOR_TRAINING)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's start quiet, unless TF_CPP_MIN_LOG_LEVEL is set.

    TensorFlow writes a dozen lines about CPUs and missing GPUs directly to the process's stderr, before any of its own
    settings can prevent it. Failures still raise.
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
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]  # it has been read; a process started from here decides for itself
