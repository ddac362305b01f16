"""How long a training would take on this machine: a few steps of it, measured."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from stages.dataset.prepared import Dataset
from stages.inference import savedmodel
from stages.pipeline import paths
from stages.pipeline.settings import Train
from stages.training import augment, fit, losses, model
from stages.training.callbacks import Logs, validate
from stages.training.crops import Crops
from stages.training.export import export
from stages.training.job import Job
from stages.training.losses import LOSSES

keras: Any = tf.keras

WARM_UP, STEPS = 3, 20  # steps that are left out, and steps that are timed
COUNTED = 100  # crops whose pixels are counted
IMAGES = 8  # validated at least, after a first batch that is left out


@dataclass(frozen=True)
class Seconds:
    """What was measured.

    Attributes:
        start: until the first steps are done: building and tracing the network, and counting the pixels of crops.
        step: of one training step.
        image: of one validation image.
        save: of writing the state at the end of an epoch.
        export: of writing the trained network, in a process of its own.
    """

    start: float
    step: float
    image: float
    save: float = 0.0
    export: float = 0.0


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the time at the end of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A step has ended."""
        self.times.append(time.perf_counter())


def measure(job: Job, fold: int) -> Seconds:
    """Time some steps and validation images of the training of one fold; nothing is written."""
    options, data = job.options, job.data
    begin = time.perf_counter()
    crops = Crops(data, data.training(fold), options, job.seed)
    counted = min(crops.per_epoch, COUNTED)
    pixels = crops.pixels(most=counted)
    counting = (time.perf_counter() - begin) * (min(crops.per_epoch, fit.COUNTED) / counted - 1)
    weights = losses.class_weights(options.class_weights, pixels)
    network = model.build(options, len(data.classes), data.layout.images.channels)
    fit.prepare(network, options, weights, crops.steps)
    clock = _Clock()
    steps = WARM_UP + STEPS
    epochs = -(-steps // crops.steps)
    network.fit(augment.dataset(crops, 0, epochs), steps_per_epoch=steps, epochs=1, callbacks=[clock], verbose=0)
    step = (clock.times[-1] - clock.times[WARM_UP - 1]) / STEPS
    wrapped = savedmodel.wrapped(network, LOSSES[options.loss].activation)
    samples = (data.fold(fold) * IMAGES)[: max(IMAGES, options.validation_batch_size)]
    validate(wrapped, data, samples[: options.validation_batch_size], options.validation_batch_size)
    traced = time.perf_counter()
    validate(wrapped, data, samples, options.validation_batch_size)
    image = (time.perf_counter() - traced) / len(samples)
    save, export = _write(network, options, data)
    return Seconds(traced - begin - STEPS * step + counting, step, image, save, export)


def _write(network: Any, options: Train, data: Dataset) -> tuple[float, float]:
    """Seconds for what `callbacks` writes after an epoch that is the best so far, and for the export at the end."""
    bare = model.bare(network)
    with tempfile.TemporaryDirectory(dir=paths.PREPARED.parent) as folder:
        begin = time.perf_counter()
        weights = Path(folder, "best.weights.h5")
        bare.save_weights(weights)
        tf.train.Checkpoint(model=bare, optimizer=network.optimizer).write(str(Path(folder, "weights")))
        saved = time.perf_counter()
        export(fit.exported(options, data), data.layout, weights, Path(folder, "network"))
        return saved - begin, time.perf_counter() - saved
