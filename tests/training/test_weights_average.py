"""The moving average of the weights: its arithmetic, and that it is what is validated and kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.dataset.prepared import Dataset
from stages.pipeline import settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_layers")]


def test_the_average_by_hand(options: settings.Train) -> None:
    """All weights 0, then 1, 2, 3 after the steps 1, 2 and 30; momentum 2/11, 3/12 and the given 0.7.

    They are exchanged and exchanged back, the moving averages of batch normalisation like all others.
    """
    import tensorflow as tf

    from stages.training import model
    from stages.training.weights_average import WeightsAverage

    def fill(value: float) -> None:
        network.set_weights([np.full(weight.shape, value, np.float32) for weight in network.weights])

    network, steps = model.bare(model.build(options, 2)), tf.Variable(0, dtype=tf.int64)
    fill(0)
    average = WeightsAverage(network, 0.7, steps)
    for step, value in ((1, 1.0), (2, 2.0), (30, 3.0)):
        steps.assign(step)
        fill(value)
        average.update()
    expected = 0.0
    for momentum, value in ((2 / 11, 1.0), (3 / 12, 2.0), (0.7, 3.0)):
        expected = momentum * expected + (1 - momentum) * value
    for found in (expected, 3.0):
        average.exchange()
        for weight in network.weights:
            np.testing.assert_allclose(weight, found, rtol=1e-6)
    assert any("moving_variance" in weight.name for weight in network.weights)


def test_the_average_is_validated_and_kept(
    prepared: Dataset, options: settings.Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of an epoch: the weights that were validated and those of the file are the averages, no others are."""
    from stages.training import callbacks, fit, model
    from stages.training.job import Job

    averages: list[Any] = []
    validated: list[list[Any]] = []
    original, validate = fit.averaged_weights, callbacks.validate

    def watched(network: Any, *others: Any) -> Any:
        averages.append(original(network, *others))
        return averages[-1]

    def watched_validation(network: Any, *others: Any) -> dict[str, float]:
        validated.append([weight.numpy() for weight in network.weights])
        return validate(network, *others)

    def check(epoch: int, logs: dict[str, float]) -> None:
        (average,) = averages
        kept = [each.numpy() for each in average.averages]
        exported.load_weights(tmp_path / f"phase_1/best_{epoch}.weights.h5")
        for values in (validated[-1], exported.get_weights()):
            for one, other in zip(kept, values, strict=True):
                np.testing.assert_array_equal(one, other)
        assert not any(np.array_equal(one, other) for one, other in zip(kept, average.weights, strict=True))
        checked.append(epoch)

    checked: list[int] = []
    exported = model.bare(model.build(options, len(prepared.classes)))
    monkeypatch.setattr(fit, "averaged_weights", watched)
    monkeypatch.setattr(callbacks, "validate", watched_validation)
    changed = options.model_copy(update={"weights_average": 0.9, "average_best": 3})
    fit.fit(Job(prepared, changed, 1), 0, tmp_path, check)
    assert checked == [0, 1, 2]
