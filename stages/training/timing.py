"""How long a training would take on this machine: a few steps and epochs of it, measured."""

import contextlib
import io
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from stages.pipeline import paths
from stages.training import augment, fit, losses, model
from stages.training.callbacks import Best, Logs, Progress, Reseed, Validate, validate
from stages.training.crops import Crops
from stages.training.export import export
from stages.training.job import Job

keras: Any = tf.keras

EPOCHS, STEPS = 4, 5  # of a training that is timed, and the steps of each; the first epoch is not among those timed
COUNTED = 100  # crops whose pixels are counted
IMAGES = 8  # validated in each epoch at least


@dataclass(frozen=True)
class Seconds:
    """What was measured.

    Attributes:
        start: until the first epoch can begin: building and tracing the network, and counting the pixels of crops.
        step: of one training step.
        image: of one validation image.
        between: of all else between two epochs, such as writing the state.
        export: of writing the trained network, in a process of its own.
    """

    start: float
    step: float
    image: float
    between: float = 0.0
    export: float = 0.0


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the time at the end of every epoch, and of its last step. It must be the last callback."""

    def __init__(self) -> None:
        super().__init__()
        self.last_steps: list[float] = []
        self.epochs: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step has ended."""
        self.stepped = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch has ended, with all that the other callbacks do then."""
        self.last_steps.append(self.stepped)
        self.epochs.append(time.perf_counter())


def measure(job: Job, fold: int, exported: float | None = None) -> Seconds:
    """Time a short training of one fold with everything that belongs to it; nothing of it is kept.

    Args:
        job: data, options and seed.
        fold: the validation fold.
        exported: what an export takes, if that is known already.
    """
    options, data = job.options.model_copy(update={"epochs": EPOCHS}), job.data
    begin = time.perf_counter()
    fit.seed(job.seed)
    crops = Crops(data, data.training(fold), options, job.seed)
    counted = min(crops.per_epoch, COUNTED)
    pixels = crops.pixels(most=counted)
    counting = (time.perf_counter() - begin) * (min(crops.per_epoch, fit.COUNTED) / counted - 1)
    weights = losses.class_weights(options.class_weights, pixels)
    network = model.build(options, len(data.classes), data.layout.images.channels)
    fit.prepare(network, options, weights, crops.steps)
    steps, clock = min(crops.steps, STEPS), _Clock()
    samples = (data.fold(fold) * IMAGES)[: max(IMAGES, options.validation_batch_size)]
    with tempfile.TemporaryDirectory(dir=paths.PREPARED.parent) as folder:
        state = Path(folder, "state")
        state.mkdir()
        progress = Progress(network, state, [], lambda epoch, logs: None)
        validation = Validate(data, samples, options)
        callbacks = [Reseed(job.seed), validation, Best(progress, options), progress, clock]
        with contextlib.redirect_stdout(io.StringIO()):  # the figures of these epochs mean nothing
            network.fit(
                augment.dataset(crops, 0, EPOCHS), steps_per_epoch=steps, epochs=EPOCHS, callbacks=callbacks, verbose=0
            )
        ended = time.perf_counter()
        validate(validation.network, data, samples, options.validation_batch_size)
        image = (time.perf_counter() - ended) / len(samples)
        if exported is None:
            exporting = time.perf_counter()
            export(fit.exported(options, data), data.layout, min(progress.best), Path(folder, "network"))
            exported = time.perf_counter() - exporting
    timed = EPOCHS - 1
    between = sum(clock.epochs[1:]) - sum(clock.last_steps[1:])
    step = (clock.epochs[-1] - clock.epochs[0] - between) / (timed * steps)
    start = clock.epochs[0] - begin - (clock.epochs[-1] - clock.epochs[0]) / timed + counting
    return Seconds(max(start, 0.0), step, image, max(between / timed - len(samples) * image, 0.0), exported)
