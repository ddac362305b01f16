"""A training planned from the data and a timing of the machine."""

import time
from pathlib import Path
from typing import Any

import pytest

from stages.dataset.prepared import Dataset
from stages.pipeline import settings
from stages.pipeline.cli import UserError

pytestmark = pytest.mark.slow


def test_the_objects_are_measured(prepared: Dataset) -> None:
    """The squares of the drawn data are 16 pixels wide: wide enough for half the resolution."""
    from stages.training import planning

    assert planning.object_width(prepared) == 16


def test_the_time_decides_the_epochs(prepared: Dataset, options: settings.Train) -> None:
    """Four training images, two crops each, batches of two: 4 steps of 2 s and 4 images of 0.5 s are 10 s an epoch.

    Start and export take 3 + 32 s, so 3 minutes have room for 14 epochs.
    """
    from stages.training import planning
    from stages.training.timing import Seconds

    options = options.model_copy(update={"crops_per_image": 2, "batch_size": 2})
    measured = Seconds(3, 2, 0.5, 0, 32)
    plan = planning.fitted(prepared, options, measured, 3)
    assert plan is not None
    assert (plan.changes["epochs"], plan.changes["early_stopping_patience"], plan.seconds) == (14, 14, 175)
    assert "frozen_epochs" not in plan.changes
    frozen = planning.fitted(prepared, options.model_copy(update={"frozen_epochs": 20}), measured, 3)
    assert frozen is not None
    assert frozen.changes["frozen_epochs"] == 13  # the last of the 14 trains all
    assert planning.fitted(prepared, options, measured, 1) is None
    reported = planning.too_short(prepared, options, measured, 1)
    assert "expected at least 2 minutes for 3 epochs of 1 network(s) on this machine, found 1" in str(reported)


def test_all_that_takes_time_is_planned(prepared: Dataset, options: settings.Train) -> None:
    """The process's start, what stands between epochs, and the final network: no validation, more training images."""
    from stages.training import planning
    from stages.training.timing import Seconds

    options = options.model_copy(update={"crops_per_image": 2, "batch_size": 2, "final": "all"})
    steps = len(prepared.training(0)), len(prepared.index)
    plan = planning.fitted(prepared, options, Seconds(3, 2, 0.5, 1, 32), 5, started=20)
    assert plan is not None
    epoch = sum(steps) * 2 + len(prepared.fold(0)) * 0.5 + 2 * 1
    assert plan.seconds == 20 + 2 * 35 + plan.changes["epochs"] * epoch
    assert plan.seconds <= 300 < plan.seconds + epoch


def test_what_is_tried(prepared: Dataset, options: settings.Train) -> None:
    """The best first: half the resolution and two crops, then one, then a quarter; crops no larger than the images."""
    from stages.training import planning

    tried = list(planning.candidates(prepared, options))
    assert [(each["downscale"], each["crops_per_image"]) for each in tried] == [(2, 2), (2, 1), (4, 2), (4, 1)]
    assert (tried[0]["crop_height"], tried[0]["crop_width"]) == (40, 72)


def test_sides_of_crops() -> None:
    """Cut to a multiple of 32 at the network's resolution, unless that loses more than a tenth of the image."""
    from stages.training import planning

    assert [planning._crop(side, downscale) for side, downscale in ((200, 2), (200, 4), (101, 2), (1600, 1))] == [
        192, 200, 101, 256,
    ]  # fmt: skip


def test_what_is_taken(prepared: Dataset, options: settings.Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 2 s at half the resolution, 1 s at a quarter: an epoch lasts 8, 4, 4 or 2 s with 2, 1, 2 or 1 crops.

    The better one is taken if it shows 20 crops of each image. If none does, a coarser one has to show a quarter more.
    Each resolution is timed once.
    """
    from stages.training import planning
    from stages.training.timing import Seconds

    timed = []

    faster = {2: 2.0, 4: 1.0}

    def measure(job: Any, fold: int, exported: float | None) -> Seconds:
        timed.append(job.options.downscale)
        assert exported is None if timed == [2] else exported == 0
        return Seconds(0, faster[job.options.downscale], 0)

    monkeypatch.setattr(planning, "measure", measure)
    everything = settings.load().model_copy(update={"train": options.model_copy(update={"batch_size": 2})})

    def taken(seconds: float) -> tuple[int, int, int]:
        timed.clear()
        changes = planning.plan(everything, prepared, seconds / 60).changes
        return changes["downscale"], changes["crops_per_image"], changes["epochs"]

    assert (taken(82), timed) == ((2, 2, 10), [2])
    assert (taken(64), timed) == ((4, 2, 16), [2, 4])
    assert taken(8) == (4, 1, 4)
    faster[4] = 1.8
    assert taken(40) == (2, 2, 5)  # rather than 11 single crops at a quarter of the resolution


@pytest.mark.usefixtures("few_layers")
def test_a_training_is_timed(
    prepared: Dataset, options: settings.Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps and validation take some time, and a time that is too short is refused."""
    from stages.training import planning, timing
    from stages.training.job import Job
    from stages.training.planning import plan
    from stages.training.timing import measure

    everything = settings.load().model_copy(update={"train": options})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "export", lambda *_: time.sleep(0.01))  # a fresh process would build the whole network
    first = next(planning.candidates(prepared, options))
    monkeypatch.setattr(planning, "candidates", lambda *_: [first])
    Path("data").mkdir()
    seconds = measure(Job(prepared, options, 1), 0)
    assert min(seconds.start, seconds.step, seconds.image, seconds.between, seconds.export) > 0
    with pytest.raises(UserError, match="recipe auto: --minutes: expected at least"):
        plan(everything, prepared, 0.01)
    found = plan(everything, prepared, 5)
    assert found.changes["epochs"] >= 3
    assert found.seconds <= 300
