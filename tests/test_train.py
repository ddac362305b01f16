"""What train decides before and after its networks are fitted."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stages.pipeline import settings

if TYPE_CHECKING:
    from stages.training.fit import TrainedNetwork

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def trained(figures: list[float], *phases: int) -> "TrainedNetwork":
    """A training whose epochs had these figures."""
    from stages.training.fit import TrainedNetwork

    history = [{"val_mean_f1": figure, "loss": 1.0, "learning_rate": 0.1} for figure in figures]
    return TrainedNetwork(Path("weights"), history, phases, np.ones(3, np.float32), np.array([6, 3, 1]))


@pytest.fixture
def options() -> settings.Train:
    """The committed parameters of training, ten epochs judged by F1."""
    changes = {"epochs": 10, "full_size_epochs": 0, "monitor": "mean_f1", "warmup_epochs": 4, "frozen_epochs": 3}
    return settings.load(ROOT / "params.yaml").train.model_copy(update=changes)


def test_the_last_training_takes_its_length_from_validation(options: settings.Train) -> None:
    """Best after epoch 2 of one fold and 4 of the other: 3 epochs, and what they begin with fits into them."""
    from stages.training.run import for_every_fold

    folds = [trained([0.1, 0.5, 0.4, 0.4], 4), trained([0.1, 0.2, 0.3, 0.6], 4)]
    last = for_every_fold(options, folds)
    assert (last.epochs, last.full_size_epochs, last.warmup_epochs, last.frozen_epochs) == (3, 0, 1.5, 2)


def test_of_two_phases_the_second_is_cut(options: settings.Train) -> None:
    """The first keeps its length, though its second epoch was the best of all; of the second the best is the first."""
    from stages.training.run import for_every_fold

    two = options.model_copy(update={"full_size_epochs": 3})
    last = for_every_fold(two, [trained([0.1, 0.9, 0.2, 0.8, 0.7, 0.6], 3, 3)])
    assert (last.epochs, last.full_size_epochs, last.frozen_epochs) == (3, 1, 2)


def test_the_summary_is_of_the_best_epoch(options: settings.Train) -> None:
    """The best epoch of the phase whose weights are used, from 1, with its figures."""
    from stages.training.run import summary

    figures = summary(trained([0.9, 0.1, 0.3, 0.2], 1, 3), ["pit", "line"], options)
    assert (figures["epochs"], figures["best_epoch"], figures["val_mean_f1"]) == (4, 3, 0.3)
    assert figures["pixel_share"] == {"background": 0.6, "pit": 0.3, "line": 0.1}


def test_what_the_system_refuses_is_told_as_such(tmp_path: Path) -> None:
    """TensorFlow's and HDF5's words for a full disk become the system's; a full graphics card stays what it is."""
    import tensorflow as tf

    from stages.training.system_errors import as_os_error

    full = tf.errors.ResourceExhaustedError(None, None, "{{function_node x}} a_temp/part-0; No space left on device")
    long = OSError(27, "Can't synchronously write data (time = today\n, errno = 27, error message = 'File too large')")
    for error, number in ((full, 28), (long, 27)):
        with pytest.raises(OSError, match=str(tmp_path)) as told, as_os_error(tmp_path):
            raise error
        assert (told.value.errno, "\n" in str(told.value)) == (number, False)
    oom = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape [4, 256]")
    for fault in (oom, RuntimeError("a bug")):
        with pytest.raises(type(fault)) as left, as_os_error(tmp_path):
            raise fault
        assert left.value is fault
