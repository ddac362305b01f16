"""How the processor is used: the one place. Each value gives way to the environment's.

    TF_ENABLE_ONEDNN_OPTS     1. TensorFlow itself leaves oneDNN off on processors without AVX-512; there too, training
                              is about twice as fast with it.
    TF_NUM_INTRAOP_THREADS    Threads within one operation; OpenVINO takes as many. Unset: OMP_NUM_THREADS; without that
                              all cores.
    TF_NUM_INTEROP_THREADS    Operations side by side, of TensorFlow alone. Unset: as many as cores.

Sizes of batches are parameters, since results may differ by them in the last bits: `inference.batch_size` and
`train.validation_batch_size`. With oneDNN, one image of 256×1600 a call took 6 to 10 s, four a call 0.5 s each: that is
why both are 4, and why a last batch is filled up to its full size.

`configure` sets them, before TensorFlow is imported.
"""

import os

from stages.pipeline.cli import UserError

INTRA_OP = "TF_NUM_INTRAOP_THREADS"


def configure() -> None:
    """Set the switches; a value that the user has set stays."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():  # it may be a list, one per level of nesting
        os.environ.setdefault(INTRA_OP, os.environ["OMP_NUM_THREADS"])


def threads() -> int:
    """Threads within one operation; 0: all cores.

    Raises:
        UserError: the environment says something else than a number.
    """
    said = os.environ.get(INTRA_OP, "0")
    if not said.isdecimal():
        raise UserError(f"environment: {INTRA_OP}: expected a whole number, found {said!r}")
    return int(said)
