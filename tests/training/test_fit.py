from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.dataset.prepared import Dataset
from stages.pipeline import settings

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


@pytest.mark.parametrize(
    ("schedule", "killed_at", "two_phases"),
    [("plateau", 1, False), pytest.param("cosine", 2, True, marks=pytest.mark.prove)],
)
@pytest.mark.usefixtures("few_layers")
def test_a_killed_training_goes_on_to_the_same_result(
    prepared: Dataset, options: settings.Train, tmp_path: Path, schedule: str, killed_at: int, two_phases: bool
) -> None:
    """Killed in either phase, before an epoch's state is written: the result is that of a run in one.

    Once it is finished, it is taken from its state and not trained again.
    """
    from stages.training import fit
    from stages.training.job import Job

    more = {
        "mixup": 0.3, "presence_weight": 0.1, "full_size_epochs": 1, "full_size_downscale": 1, "average_best": 2,
        "foreground_fraction": (1.0, 0.0), "hard_pixels": 0.5, "elastic": 2, "coarse_dropout": 0.2,
    }  # fmt: skip
    changes = {"learning_rate_schedule": schedule, "plateau_patience": 1, "epochs": 2} | (more if two_phases else {})
    options = options.model_copy(update=changes)
    undisturbed: list[tuple[int, dict[str, float]]] = []
    expected = fit.fit(Job(prepared, options, 1), 0, tmp_path / "one", lambda *logs: undisturbed.append(logs))

    def killed_then(epoch: int, logs: dict[str, float]) -> None:
        if epoch == killed_at:
            raise Killed

    with pytest.raises(Killed):
        fit.fit(Job(prepared, options, 1), 0, tmp_path / "two", killed_then)
    resumed: list[tuple[int, dict[str, float]]] = []
    found = fit.fit(Job(prepared, options, 1), 0, tmp_path / "two", lambda *logs: resumed.append(logs))
    assert found.history == expected.history
    assert found.phases == ((2, 1) if two_phases else (2,))
    assert resumed == undisturbed
    assert weights(found.weights) == weights(expected.weights)
    before = found.weights.stat().st_mtime_ns
    again = fit.fit(Job(prepared, options, 1), 0, tmp_path / "two", lambda *logs: None)
    assert again.history == found.history
    assert again.weights.stat().st_mtime_ns == before


def test_the_second_phase_sees_whole_images_in_their_frequency(prepared: Dataset, options: settings.Train) -> None:
    """Each once per epoch, none chosen for its defects, whatever the first phase does; nothing without such epochs."""
    from stages.training import fit
    from stages.training.crops import Crops

    changes = {"foreground_fraction": (1.0, 0.5), "full_size_epochs": 2, "full_size_batch_size": 2, "flips": False}
    (second,) = fit.full_size(options.model_copy(update=changes), prepared)
    assert (second.epochs, second.foreground_fraction) == (2, 0)
    crops = Crops(prepared, prepared.index, second, 7)
    whole = sorted(crops[number][1].tobytes() for number in range(crops.per_epoch))
    assert whole == sorted(prepared.labels[sample.position].tobytes() for sample in prepared.index)
    assert fit.full_size(options, prepared) == []


@pytest.mark.parametrize(
    ("network", "rate"), [("two convolutions", 0.03), pytest.param("U-Net", 0.003, marks=pytest.mark.long)]
)
def test_training_learns_bright_and_dark_squares(
    prepared: Dataset,
    options: settings.Train,
    tmp_path: Path,
    network: str,
    rate: float,
    request: pytest.FixtureRequest,
) -> None:
    """On squares that anyone can see, F1 on the validation fold is far above the 0 of a network that knows nothing."""
    from stages.training import fit
    from stages.training.job import Job

    if network != "U-Net":
        request.getfixturevalue("few_layers")
    options = options.model_copy(update={"downscale": 1, "epochs": 8, "crops_per_image": 6, "learning_rate": rate})
    trained = fit.fit(Job(prepared, options, 1), 0, tmp_path / "state", lambda *logs: None)
    assert max(logs["val_mean_f1"] for logs in trained.history) > 0.6
    assert trained.history[-1]["loss"] < trained.history[0]["loss"] / 2


@pytest.mark.usefixtures("few_layers")
def test_early_stopping_ends_a_training_that_does_not_improve(
    prepared: Dataset, options: settings.Train, tmp_path: Path
) -> None:
    """Nothing is learnt, batch normalisation's averages included: patience 1 ends it after the second epoch."""
    from stages.training import fit
    from stages.training.job import Job

    still = {
        "learning_rate": 1e-12, "batch_norm_momentum": 1 - 1e-12, "early_stopping_patience": 1, "epochs": 5,
        "learning_rate_schedule": "constant",
    }  # fmt: skip
    trained = fit.fit(Job(prepared, options.model_copy(update=still), 1), 0, tmp_path / "state", lambda *logs: None)
    assert len(trained.history) < 5


@pytest.mark.usefixtures("few_layers")
def test_the_best_epochs_are_averaged(prepared: Dataset, options: settings.Train, tmp_path: Path) -> None:
    """Of three epochs the two best by validation: their weights' mean is what is left, and nothing else is."""
    import h5py

    from stages.training import fit
    from stages.training.callbacks import best_epochs
    from stages.training.job import Job

    kept: dict[int, list[Any]] = {}

    def watch(epoch: int, logs: dict[str, float]) -> None:
        for file in (tmp_path / "state" / "phase_1").glob("best_*.weights.h5"):
            kept[int(file.name.split("_")[1].split(".")[0])] = read(file)

    def read(file: Path) -> list[Any]:
        found: list[Any] = []
        with h5py.File(file) as content:
            layers = content["layers"]  # beside them lie Keras's metrics and the optimizer
            layers.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
        return found

    options = options.model_copy(update={"average_best": 2})
    trained = fit.fit(Job(prepared, options, 1), 0, tmp_path / "state", watch)
    best = best_epochs(trained.history, options)
    assert len(best) == 2
    averaged = read(trained.weights)
    for number, weight in enumerate(averaged):
        np.testing.assert_allclose(weight, (kept[best[0]][number] + kept[best[1]][number]) / 2, rtol=1e-4, atol=1e-6)
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["average.weights.h5", "finished.json"]


@pytest.mark.usefixtures("few_layers")
def test_training_on_every_fold_needs_no_validation(prepared: Dataset, options: settings.Train, tmp_path: Path) -> None:
    """All 12 images, the held-out ones included, for just the epochs asked for; the last one's weights are kept."""
    from stages.training import fit
    from stages.training.job import Job

    trained = fit.fit(Job(prepared, options, 1), None, tmp_path / "state", lambda *logs: None)
    assert [set(logs) for logs in trained.history] == [{"loss", "learning_rate"}] * options.epochs
    assert trained.pixels.sum() == 12 * 2 * 32 * 32


def test_mixtures_are_of_two_crops_and_their_losses() -> None:
    """A share of 1 is no mixture; shares follow Beta(0.2, 0.2), half of them beyond 0.05 … 0.95, and of their step."""
    import tensorflow as tf

    from stages.training import mixup

    inputs = mixup.keras.Input((1,))
    network = mixup.Mixing(0.2, inputs, mixup.keras.layers.Dense(1)(inputs))
    shares = np.array([float(network.share(tf.constant(step))) for step in range(300)])
    assert ((shares >= 0) & (shares <= 1)).all()
    assert 0.35 < ((shares < 0.05) | (shares > 0.95)).mean() < 0.75
    assert shares.mean() == pytest.approx(0.5, abs=0.08)
    assert float(network.share(tf.constant(7))) == shares[7]


def test_the_loss_of_a_mixture_by_hand() -> None:
    """Two crops, 1 and 3, mixed with each other by a share s; a network that gives back what it gets; squared error."""
    import tensorflow as tf

    from stages.training import mixup

    inputs = mixup.keras.Input((1,))
    network = mixup.Mixing(0.5, inputs, mixup.keras.layers.Dense(1, kernel_initializer="ones")(inputs))
    network.compile(mixup.keras.optimizers.SGD(0.0), lambda true, found: tf.reduce_mean((true - found) ** 2))
    share = float(network.share(tf.constant(0)))
    loss = network.train_step((tf.constant([[1.0], [3.0]]), tf.constant([[1.0], [3.0]])))["loss"]
    mixed = np.array([share * 1 + (1 - share) * 3, share * 3 + (1 - share) * 1])
    expected = share * ((mixed - [1, 3]) ** 2).mean() + (1 - share) * ((mixed - [3, 1]) ** 2).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
