"""Steps of `train` compared with the compiled step alone, and loading batches compared with training on them."""

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from stages.inference import tensorflow_start
from stages.pipeline.settings import Train
from tests.benchmarks import data, samples
from tests.benchmarks.rows import Pair, Place, Row
from tests.benchmarks.timing import seconds

IMAGES = 24  # a third of them to train on
CROP = {"crop_height": 128, "crop_width": 256, "batch_size": 8, "validation_batch_size": 2}


def options_of(place: Place, options: Train, downscale: int) -> Train:
    """The parameters of params.yaml with the crops, batch size and resolution of the row."""
    epochs, visits = (2, 3) if place.quick else (6, 6)
    changed = {"epochs": epochs, "crops_per_image": visits, "downscale": downscale, "early_stopping_patience": epochs}
    return options.model_copy(update=CROP | changed)


def steps(downscale: int) -> Callable[[Place], Iterator[Pair]]:
    """Seconds of a step: in each epoch of a training, then of as many bare steps; the first epoch is the warm-up."""

    def measure(place: Place) -> Iterator[Pair]:
        tensorflow_start.start(training=True)
        from stages.training import display, fit, precision
        from stages.training.crops import Crops
        from stages.training.job import Job

        folder = samples.work_folder(place.folder, IMAGES, preprocess={"folds": 3})
        with samples.inside(folder) as options:
            prepared = data.prepared()
            training = precision.resolved(options_of(place, options.train, downscale), 0)
            crops = Crops(prepared, prepared.training(0), training, options.seed)
            step, pairs = bare_step(crops, training), []

            def after_epoch(epoch: int, logs: dict[str, float]) -> None:
                ours = Clock.seconds_of_a_step()
                other = seconds(lambda: [step() for _ in range(crops.steps)]) / crops.steps
                pairs.append((ours, other))

            state = folder / "data/state"
            shutil.rmtree(state, ignore_errors=True)
            with patch.object(fit, "Display", clocked(display.Display)):
                fit.fit(Job(prepared, training, options.seed), 0, state, after_epoch)
            yield from pairs[1:]

    return measure


class Clock:
    """When the steps of the current epoch ended."""

    ends: list[float] = []  # noqa: RUF012  (one training at a time)

    @classmethod
    def seconds_of_a_step(cls) -> float:
        """Mean over the epoch, without its first step and the time between epochs."""
        return (cls.ends[-1] - cls.ends[0]) / (len(cls.ends) - 1)


def clocked(bar: type) -> type:
    """The progress bar of training, which also records when each step ended."""

    class Clocked(bar):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            Clock.ends.clear()
            super().on_epoch_begin(epoch, logs)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            Clock.ends.append(time.perf_counter())

    return Clocked


def bare_step(crops: Any, options: Train) -> Callable[[], object]:
    """The compiled step alone, on one batch in memory."""
    import numpy as np
    import tensorflow as tf

    tensorflow_start.start(training=True)
    from stages.training import class_weights, fit, model
    from stages.training.batches import dataset

    classes = len(crops.data.classes)
    network = model.build(options, classes)
    weights = class_weights.of_classes(options.class_weights, np.ones(1 + classes, np.int64))
    fit.prepare(network, options, weights, crops.steps)
    batch = next(iter(dataset(crops, 0, 1)))
    compiled = tf.function(lambda: network.train_step(batch))
    return lambda: {name: float(value) for name, value in compiled().items()}  # waits until the step ends


def ahead(place: Place) -> Iterator[Pair]:
    """Seconds per crop: to load it, and to train on it."""
    tensorflow_start.start(training=True)
    from stages.training import precision
    from stages.training.batches import dataset
    from stages.training.crops import Crops

    folder = samples.work_folder(place.folder, IMAGES, preprocess={"folds": 3})
    with samples.inside(folder) as options:
        prepared = data.prepared()
        visits = {"crops_per_image": 1 if place.quick else 40}
        training = precision.resolved(options.train.model_copy(update=visits), 0)
        crops = Crops(prepared, prepared.training(0), training, options.seed)
        step, epoch = bare_step(crops, training), dataset(crops, 0, 1)
        step()
        count = 2 if place.quick else 10
        for _ in range(1 if place.quick else 5):
            loaded = seconds(lambda: sum(1 for _ in epoch)) / crops.per_epoch
            yield loaded, seconds(lambda: [step() for _ in range(count)]) / count / training.batch_size


ROWS = [
    Row("training-steps", "a step of `train`, ResNet18 U-Net, 128×256, batch 8, full resolution",
        "the bare compiled step on one batch in memory", 0.9, steps(1)),
    Row("training-half", "the same at half resolution",
        "the bare compiled step on one batch in memory", 0.9, steps(2)),
    Row("training-ahead", "load a crop of 256×256, augmented as in params.yaml",
        "train on a crop: the bare compiled step, divided by the batch", 1.0, ahead),
]  # fmt: skip
