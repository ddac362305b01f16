"""A training that is killed and goes on, beside one that nothing disturbs."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # it imports TensorFlow
    from stages.training.fit import TrainedNetwork
    from stages.training.job import Job


def same_after_a_kill(job: "Job", folder: Path, killed_at: int = 1) -> "TrainedNetwork":
    """Train the network of fold 0 in one piece, and again with a kill before this epoch's state is written.

    Both must have the same figures and byte-identical weights; the first is returned.
    """
    from stages.training import fit

    def killed(epoch: int, logs: dict[str, float]) -> None:
        if epoch == killed_at:
            raise KeyboardInterrupt

    expected = fit.fit(job, 0, folder / "one", lambda *logs: None)
    with pytest.raises(KeyboardInterrupt):
        fit.fit(job, 0, folder / "two", killed)
    found = fit.fit(job, 0, folder / "two", lambda *logs: None)
    assert found.history == expected.history
    assert found.weights.read_bytes() == expected.weights.read_bytes()
    return expected
