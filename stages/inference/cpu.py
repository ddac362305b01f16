"""The one place that decides how the processor is used. A value in the environment takes precedence.

    TF_ENABLE_ONEDNN_OPTS     Default 1. TensorFlow leaves oneDNN off on processors without AVX-512, although training
                              is about twice as fast with it there too.
    TF_NUM_INTRAOP_THREADS    Threads within one operation, also for OpenVINO. Default: OMP_NUM_THREADS, else all cores.
    TF_NUM_INTEROP_THREADS    Operations that TensorFlow runs at the same time. Default: the number of cores.

Batch sizes are parameters, since the last bits of results may depend on them: `inference.batch_size` and
`train.validation_batch_size`. With oneDNN, an image of 256×1600 took 6 to 10 s in a batch of one and 0.5 s in a batch
of four. Therefore both are 4, and a smaller last batch is padded to the full size.

`configure` sets them, before TensorFlow is imported.
"""

import os

from stages.pipeline.cli import UserError

INTRA_OP = "TF_NUM_INTRAOP_THREADS"


def configure() -> None:
    """Set the switches that the user has not set."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():  # it may be a list, with one number per level of nesting
        os.environ.setdefault(INTRA_OP, os.environ["OMP_NUM_THREADS"])


def threads() -> int:
    """Threads within one operation; 0 means all cores.

    Raises:
        UserError: the environment holds something other than a whole number.
    """
    said = os.environ.get(INTRA_OP, "0")
    if not said.isdecimal():
        raise UserError(f"environment: {INTRA_OP}: expected a whole number, found {said!r}")
    return int(said)
