"""What happens around the epochs of a training: random numbers, validation, and the saved state."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stages.dataset import label_maps
from stages.dataset.layout import Metric
from stages.dataset.prepared import Dataset, Sample
from stages.inference import averaging, savedmodel
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.pipeline.settings import Train
from stages.postprocessing import rules
from stages.scoring import dice, metric, overlaps
from stages.training import checksums, deep_supervision, model
from stages.training.distribution import SINGLE_DEVICE, Cluster
from stages.training.losses import LOSSES
from stages.training.weights_average import WeightsAverage

keras: Any = tf.keras

Logs = dict[str, float]
Curve = Callable[[int, Logs], None]
# In the logs of every training. Other figures only if train.monitor names them.
LOGGED = ("mean_dice", "positive_mean_dice", "mean_f1")


def validate(
    network: savedmodel.Network, data: Dataset, samples: list[Sample], batch_size: int, cluster: Cluster = SINGLE_DEVICE
) -> Logs:
    """Score a network on whole images, by the inference of all other stages, with the threshold 1/2 for every class.

    The workers of a cluster share the images, and each gets the figures of all images.

    Returns:
        mean_dice (1 for a pair of empty masks), positive_mean_dice, and mean_f1: F1 over all pixels of these images
        together, averaged over the classes. A class that neither occurs nor is predicted is left out of the mean.
        global_dice and iou_thresholds: as in `stages.scoring.metric`, 1 for a pair of empty masks. An undefined figure
        is 0.
    """
    classes = len(data.classes)
    own = samples[cluster.worker :: cluster.workers]
    images = (data.image(sample) for sample in own)
    counts = np.zeros((len(samples), 3, 1 + classes), np.int64)
    pairs = zip(
        bar(own, "train: validation", leave=False),
        averaging.of_images([network], images, data.layout, batch_size),
        strict=True,
    )
    for number, (sample, prediction) in enumerate(pairs):
        true = data.label_map(sample)
        found = rules.label_map(prediction, rules.plain(classes, label_maps.are_planes(true)))
        counts[cluster.worker + number * cluster.workers] = overlaps.count(true, found, classes)
    counts = cluster.total(counts)
    of_classes = overlaps.of_classes(counts)
    f1 = [figures["f1"] for figures in overlaps.figures(counts.sum(axis=0))[1:]]
    return {
        "mean_dice": dice.mean_dice(*of_classes) or 0.0,
        "positive_mean_dice": dice.mean_defined(dice.positive_dice(*of_classes)) or 0.0,
        "mean_f1": dice.mean_defined(f1) or 0.0,
        "global_dice": metric.score(Metric("global_dice"), *of_classes) or 0.0,
        "iou_thresholds": metric.score(Metric("iou_thresholds"), *of_classes) or 0.0,
    }


class Reseed(keras.callbacks.Callback):  # type: ignore[misc]
    """Start every epoch from the same random numbers, so that a resumed run draws those of an uninterrupted one.

    The seed must not depend on the epoch: TensorFlow writes it into the training step when it traces the step, in the
    first epoch of an uninterrupted run and in a later epoch of a resumed one. Epochs differ by their crops.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Seed what draws random numbers inside the network, such as dropout."""
        tf.random.set_seed(self.seed)


class Validate(keras.callbacks.Callback):  # type: ignore[misc]
    """Add the validation figures to the logs, for the callbacks after this one."""

    def __init__(self, data: Dataset, samples: list[Sample], options: Train, cluster: Cluster = SINGLE_DEVICE) -> None:
        super().__init__()
        self.data, self.samples, self.options, self.cluster = data, samples, options, cluster

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Wrap the network once, as it will be saved: the wrapper shares the network's weights."""
        self.network = savedmodel.wrapped(deep_supervision.removed(self.model), LOSSES[self.options.loss].activation)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Score the validation fold, if there is one, and log the learning rate."""
        if logs is not None:
            if self.samples:
                batch_size = self.options.validation_batch_size
                figures = validate(self.network, self.data, self.samples, batch_size, self.cluster)
                shown = [name for name in figures if name in LOGGED or name == self.options.monitor]
                logs |= {f"val_{name}": figures[name] for name in shown}
            rate = self.model.optimizer.learning_rate
            logs["learning_rate"] = float(rate.numpy())


def best_epochs(history: list[Logs], options: Train) -> list[int]:
    """Epochs (from 0) whose weights are averaged, ascending: the best by validation, or the last without validation.

    Of equally good epochs the earlier one counts as better.
    """
    key = f"val_{options.monitor}"
    figures = [logs[key] if key in logs else float(epoch) for epoch, logs in enumerate(history)]
    ranked = sorted(range(len(history)), key=lambda epoch: (-figures[epoch], epoch))
    return sorted(ranked[: options.average_best])


class Best(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the weights of the best epochs so far. It must stand before `Progress`, which removes others."""

    def __init__(self, progress: "Progress", options: Train) -> None:
        super().__init__()
        self.progress, self.options = progress, options

    @staticmethod
    def file(state: Path, epoch: int) -> Path:
        """The file with the weights of an epoch (from 0)."""
        return state / f"best_{epoch}.weights.h5"

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write this epoch's weights if it is among the best."""
        if not self.progress.cluster.is_chief:
            return
        state = self.progress.state
        kept = {self.file(state, best) for best in best_epochs([*self.progress.history, logs or {}], self.options)}
        if self.file(state, epoch) in kept:
            self.progress.bare.save_weights(self.file(state, epoch))
        self.progress.best = kept


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the state after every epoch and resumes a killed run. It must be the last callback."""

    REMEMBERED = ("best", "wait", "stopped_epoch", "cooldown_counter")

    def __init__(
        self,
        network: Any,
        state: Path,
        callbacks: list[Any],
        curve: Curve,
        cluster: Cluster = SINGLE_DEVICE,
        average: WeightsAverage | None = None,
    ) -> None:
        super().__init__()
        self.network, self.state, self.callbacks, self.curve, self.cluster = network, state, callbacks, curve, cluster
        self.average = average
        self.bare = model.bare(network)  # here, since all workers of a cluster have to build a model together
        self.history: list[Logs] = []
        self.stopped = False
        self.best: set[Path] = set()

    def restore(self) -> int:
        """Load the state of a killed run, if there is one, and return the number of finished epochs."""
        record = self.state / "progress.json"
        if not record.exists():
            return 0
        try:
            progress = checksums.read_record(record)
            wrong = checksums.damaged(self.state, progress["sha256"])
            self.history, self.stopped = progress["history"], progress["stopped"]
            checkpoint, self._remembered = self.state / progress["checkpoint"] / "weights", progress["callbacks"]
        except (OSError, ValueError, KeyError):
            wrong = str(record)
        if wrong:
            print(f"train: {wrong}: damaged, so this training starts over", flush=True)
            self.history, self.stopped, self._remembered = [], False, []
            shutil.rmtree(self.state)
            self.state.mkdir()
            return 0
        self.network.optimizer.build(self.network.trainable_variables)
        self._checkpoint().read(str(checkpoint)).assert_consumed()
        for epoch, logs in enumerate(self.history):
            self.curve(epoch, logs)
        print(f"train: continuing after epoch {len(self.history)}", flush=True)
        return len(self.history)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Restore the other callbacks' counters, which their own `on_train_begin` has just reset."""
        for callback, remembered in zip(self.callbacks, getattr(self, "_remembered", []), strict=False):
            vars(callback).update(remembered)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the state under a new name and switch to it in one step."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(figures["loss"]):
            raise UserError(
                f"epoch {epoch + 1}: expected a finite loss, found {figures['loss']}: "
                "lower train.learning_rate in params.yaml, or set train.precision to float32 if it is not"
            )
        self.history.append(figures)
        self.curve(epoch, figures)
        if not self.cluster.is_chief:
            return
        folder = self.state / f"epoch_{epoch}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._checkpoint().write(str(folder / "weights"))
        progress = {
            "sha256": checksums.synced(self.state, [*folder.iterdir(), *self.best]),
            "checkpoint": folder.name,
            "history": self.history,
            "stopped": bool(self.model.stop_training),
            "callbacks": [
                {name: float(value) for name, value in vars(callback).items() if name in self.REMEMBERED}
                for callback in self.callbacks
            ],
        }
        checksums.write_record(self.state / "progress.json", progress)
        for old in self.state.glob("epoch_*"):
            if old != folder:
                shutil.rmtree(old)
        for file in self.state.glob("best_*.weights.h5"):
            if file not in self.best:
                file.unlink()

    def _checkpoint(self) -> tf.train.Checkpoint:
        # Without Keras's metrics: their values lie on several devices, and all workers would have to write together.
        more = {"deep_supervision": deep_supervision.layers(self.network)}
        if self.average:
            more["average"] = self.average.averages
        return tf.train.Checkpoint(model=self.bare, optimizer=self.network.optimizer, **more)
