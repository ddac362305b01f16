"""How long a training would take on this machine: a few steps and epochs of it, measured."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stages.pipeline import paths
from stages.training import batches, class_weights, fit, loader, model, precision, weights_average
from stages.training.callbacks import Best, Logs, Progress, Reseed, Validate, validate
from stages.training.crops import Crops
from stages.training.export import export
from stages.training.job import Job

keras: Any = tf.keras

EPOCHS, STEPS = 4, 7  # of a training that is timed, and the steps of each; the first epoch is not among those timed
COUNTED = 100  # crops whose pixels are counted
IMAGES = 8  # validated in each epoch at least


@dataclass(frozen=True)
class Seconds:
    """What was measured.

    Attributes:
        start: until the first epoch can begin: building and tracing the network, and counting the pixels of crops.
        step: of one training step, the median of those that follow another.
        image: of one validation image.
        between: of all else between two epochs, such as writing the state and what the first step takes longer.
        export: of writing the trained network, in a process of its own.
    """

    start: float
    step: float
    image: float
    between: float = 0.0
    export: float = 0.0


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the time at the end of every epoch and every step. It must be the last callback."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[list[float]] = []
        self.epochs: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """The steps of another epoch follow."""
        self.steps.append([])

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step has ended."""
        self.steps[-1].append(time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch has ended, with all that the other callbacks do then."""
        self.epochs.append(time.perf_counter())

    def step(self) -> float:
        """Seconds of a step that follows another; of one that is alone in its epoch, from the epoch's begin."""
        after_another = [seconds for times in self.steps[1:] for seconds in np.diff(times)]
        alone = [times[0] - end for end, times in zip(self.epochs, self.steps[1:], strict=False)]
        return float(np.median(after_another or alone))


def measure(job: Job, fold: int, exported: float | None = None) -> Seconds:
    """Time a short training of one fold with everything that belongs to it; nothing of it is kept.

    Args:
        job: data, options and seed.
        fold: the validation fold.
        exported: what an export takes, if that is known already.
    """
    data = job.data
    gpus = len(tf.config.list_physical_devices("GPU"))
    options = precision.resolved(job.options, gpus)
    job = replace(job, processes=loader.processes(options, gpus))
    options = options.model_copy(update={"epochs": EPOCHS, "frozen_epochs": 0})
    begin = time.perf_counter()
    fit.seed(job.seed)
    crops = Crops(data, data.training(fold), options, job.seed)
    counted = min(crops.per_epoch, COUNTED)
    pixels = crops.pixels(most=counted)
    counting = (time.perf_counter() - begin) * (min(crops.per_epoch, fit.COUNTED) / counted - 1)
    weights = class_weights.of_classes(options.class_weights, pixels)
    network = model.build(options, len(data.classes), data.layout.images.channels)
    fit.prepare(network, options, weights, crops.steps)
    steps, clock = min(crops.steps, STEPS), _Clock()
    samples = (data.fold(fold) * IMAGES)[: max(IMAGES, options.validation_batch_size)]
    with tempfile.TemporaryDirectory(dir=paths.PREPARED.parent) as folder:
        state = Path(folder, "state")
        state.mkdir()
        average = fit.averaged_weights(network, options)
        progress = Progress(network, state, [], lambda epoch, logs: None, average=average)
        validation = Validate(data, samples, options)
        best = weights_average.around(average, [validation, Best(progress, options)])
        callbacks = [Reseed(job.seed), *best, progress, clock]
        batches.fit(network, crops, job, steps_per_epoch=steps, epochs=EPOCHS, callbacks=callbacks, verbose=0)
        ended = time.perf_counter()
        validate(validation.network, data, samples, options.validation_batch_size)
        image = (time.perf_counter() - ended) / len(samples)
        if exported is None:
            exporting = time.perf_counter()
            export(fit.exported(options, data), data.layout, min(progress.best), Path(folder, "network"))
            exported = time.perf_counter() - exporting
    epoch = (clock.epochs[-1] - clock.epochs[0]) / (EPOCHS - 1)
    between = epoch - steps * clock.step() - len(samples) * image
    start = clock.epochs[0] - begin - epoch + counting
    return Seconds(max(start, 0.0), clock.step(), image, max(between, 0.0), exported)
