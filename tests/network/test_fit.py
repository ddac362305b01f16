from pathlib import Path

import pytest

from stages import settings
from stages.competition.prepared import Prepared

pytestmark = pytest.mark.slow


class Killed(BaseException):
    """Stands for the end of the process."""


def weights(file: Path) -> bytes:
    """Every weight of an .h5 file."""
    import h5py

    found: list[bytes] = []
    with h5py.File(file) as content:
        content.visititems(lambda _, item: found.append(item[()].tobytes()) if isinstance(item, h5py.Dataset) else None)
    return b"".join(found)


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_a_killed_training_goes_on_to_the_same_result(
    prepared: Prepared, options: settings.Train, tmp_path: Path, schedule: str
) -> None:
    """Killed in the second epoch, before its state is written: the result is that of a run in one."""
    from stages.network import fit

    options = options.model_copy(update={"learning_rate_schedule": schedule, "plateau_patience": 1})
    undisturbed: list[tuple[int, dict[str, float]]] = []
    expected = fit.fit(prepared, 0, options, 1, tmp_path / "one", lambda *logs: undisturbed.append(logs))

    def killed_at_epoch_1(epoch: int, logs: dict[str, float]) -> None:
        if epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        fit.fit(prepared, 0, options, 1, tmp_path / "two", killed_at_epoch_1)
    resumed: list[tuple[int, dict[str, float]]] = []
    found = fit.fit(prepared, 0, options, 1, tmp_path / "two", lambda *logs: resumed.append(logs))
    assert found.history == expected.history
    assert resumed == undisturbed
    assert weights(found.weights) == weights(expected.weights)


def test_a_finished_fold_is_not_trained_again(prepared: Prepared, options: settings.Train, tmp_path: Path) -> None:
    """When a later fold is killed, the folds before it are taken from their state."""
    from stages.network import fit

    once = fit.fit(prepared, 0, options, 1, tmp_path / "state", lambda *logs: None)
    before = once.weights.stat().st_mtime_ns
    again = fit.fit(prepared, 0, options, 1, tmp_path / "state", lambda *logs: None)
    assert again.history == once.history
    assert again.weights.stat().st_mtime_ns == before


def test_training_learns_bright_and_dark_squares(prepared: Prepared, options: settings.Train, tmp_path: Path) -> None:
    """On squares that anyone can see, F1 on the validation fold is far above the 0 of a network that knows nothing."""
    from stages.network import fit

    options = options.model_copy(update={"downscale": 1, "epochs": 12, "crops_per_image": 6, "learning_rate": 0.003})
    fitted = fit.fit(prepared, 0, options, 1, tmp_path / "state", lambda *logs: None)
    assert max(logs["val_mean_f1"] for logs in fitted.history) > 0.6
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"] / 2


def test_early_stopping_ends_a_training_that_does_not_improve(
    prepared: Prepared, options: settings.Train, tmp_path: Path
) -> None:
    """With a learning rate of nearly 0 nothing improves, and patience 1 ends it after the second epoch."""
    from stages.network import fit

    still = {"learning_rate": 1e-12, "early_stopping_patience": 1, "epochs": 5, "learning_rate_schedule": "constant"}
    fitted = fit.fit(prepared, 0, options.model_copy(update=still), 1, tmp_path / "state", lambda *logs: None)
    assert len(fitted.history) < 5
