"""Fit one network for one validation fold; after a kill, go on where it stopped, to the same result.

All that a resumed run needs is in one folder, `state`, replaced as a whole after each epoch: weights and optimizer
(a TensorFlow checkpoint), the best weights so far, what the callbacks remember, and the curves. Random numbers need
no saving: crops depend on their number, everything else on the seed and the epoch.
"""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tqdm import tqdm

from stages.competition import score
from stages.competition.prepared import Entry, Prepared
from stages.masks import confusion, postprocess
from stages.network import batches, inference, losses, model
from stages.settings import Train

keras: Any = tf.keras

Logs = dict[str, float]
Curve = Callable[[int, Logs], None]
BEST = "best.weights.h5"
COUNTED = 2_000  # crops whose pixels decide the class weights


@dataclass(frozen=True)
class Fitted:
    """One trained network.

    Attributes:
        weights: file with the weights of the best epoch.
        history: one entry an epoch: loss, learning rate and validation figures.
        class_weights: float32 (1 + classes,), the background first.
        pixels: int64 (1 + classes,), pixels of each class in the crops.
    """

    weights: Path
    history: list[Logs]
    class_weights: npt.NDArray[np.float32]
    pixels: npt.NDArray[np.int64]


def fit(data: Prepared, fold: int, options: Train, seed: int, state: Path, curve: Curve) -> Fitted:
    """Train on all folds but `fold` and the held-out one; keep the weights of the best epoch by `options.monitor`.

    Args:
        data: the prepared data set.
        fold: validation fold.
        options: the section `train` of params.yaml.
        seed: decides initial weights and crops.
        state: folder that survives a kill; what it holds must come from a run of the same data, options and code.
        curve: called with epoch (from 0) and figures, for every epoch, those of a resumed run's past included.
    """
    tf.keras.utils.set_random_seed(seed + fold)
    tf.config.experimental.enable_op_determinism()
    state.mkdir(parents=True, exist_ok=True)
    training, validation = data.training(fold), data.fold(fold)
    crops = batches.Crops(data, training, options, seed + fold)
    pixels = crops.pixels(most=COUNTED)
    weights = losses.class_weights(options.class_weights, pixels)
    network = model.build(options, len(data.classes))
    steps = options.epochs * crops.steps
    network.compile(keras.optimizers.Adam(_learning_rate(options, steps)), losses.LOSSES[options.loss](weights))
    progress = Progress(network, state, _callbacks(options, state), curve)
    first = progress.restore()
    if first < options.epochs and not progress.stopped:
        network.fit(
            batches.dataset(crops, options, first, options.epochs),
            initial_epoch=first,
            epochs=options.epochs,
            steps_per_epoch=crops.steps,
            callbacks=[
                Reseed(seed + fold),
                Bar(f"train: fold {fold}", crops.steps, options),
                Validate(data, validation, options),
                *progress.callbacks,
                progress,
            ],
            verbose=0,
        )
    return Fitted(state / BEST, progress.history, weights, pixels)


def validate(network: inference.Network, data: Prepared, entries: list[Entry], batch_size: int) -> Logs:
    """Score a network on whole images, through the inference and post-processing of evaluate and predict.

    Returns:
        mean_dice (the competition's score), positive_mean_dice, and mean_f1: the mean over classes of F1 over all
        pixels of these images at once, a class that is neither there nor predicted left out; 0 where undefined.
    """
    classes = len(data.classes)
    images = (data.images[entry.position] for entry in entries)
    matrices = np.stack(
        [
            confusion.matrix(data.labels[entry.position], postprocess.label_map(probability), classes)
            for entry, probability in zip(entries, inference.probabilities([network], images, batch_size), strict=True)
        ]
    )
    overlaps = confusion.overlaps(matrices)
    f1 = [figures["f1"] for figures in confusion.figures(matrices.sum(axis=0))[1:]]
    return {
        "mean_dice": score.mean_dice(*overlaps) or 0.0,
        "positive_mean_dice": score.mean_defined(score.positive_dice(*overlaps)) or 0.0,
        "mean_f1": score.mean_defined(f1) or 0.0,
    }


def _learning_rate(options: Train, steps: int) -> Any:
    if options.learning_rate_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(options.learning_rate, steps)
    return options.learning_rate


def _callbacks(options: Train, state: Path) -> list[Any]:
    """Keras's own: the best weights, early stopping and, if asked for, halving the learning rate on a plateau."""
    monitor = {"monitor": f"val_{options.monitor}", "mode": "max"}
    callbacks = [
        keras.callbacks.ModelCheckpoint(state / BEST, save_best_only=True, save_weights_only=True, **monitor),
        keras.callbacks.EarlyStopping(patience=options.early_stopping_patience, **monitor),
    ]
    if options.learning_rate_schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=options.plateau_patience, **monitor))
    return callbacks


class Reseed(keras.callbacks.Callback):  # type: ignore[misc]
    """Start every epoch from random numbers of its own, so that a resumed run draws those of an undisturbed one."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Seed what draws numbers inside the network (drop-out and the like)."""
        tf.random.set_seed(self.seed * 100_003 + epoch)


class Bar(keras.callbacks.Callback):  # type: ignore[misc]
    """A progress bar an epoch on a terminal, and in any case one line with the figures at its end."""

    def __init__(self, title: str, steps: int, options: Train) -> None:
        super().__init__()
        self.title, self.steps, self.options = title, steps, options

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Open a bar."""
        title = f"{self.title}, epoch {epoch + 1}/{self.options.epochs}"
        self.bar = tqdm(total=self.steps, desc=title, unit=" steps", leave=False, disable=None)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Move the bar by one step."""
        self.bar.update()
        self.bar.set_postfix_str(f"loss {(logs or {}).get('loss', math.nan):.4f}", refresh=False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Close the bar; `Progress` prints the line once the validation figures are there."""
        self.bar.close()


class Validate(keras.callbacks.Callback):  # type: ignore[misc]
    """Add the validation figures to those that the callbacks behind this one see."""

    def __init__(self, data: Prepared, entries: list[Entry], options: Train) -> None:
        super().__init__()
        self.data, self.entries, self.options = data, entries, options

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Make the saved form of the network once: it follows the weights."""
        self.network = inference.Probability(self.model)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Score the validation fold."""
        figures = validate(self.network, self.data, self.entries, self.options.validation_batch_size)
        if logs is not None:
            logs |= {f"val_{name}": value for name, value in figures.items()}
            rate = self.model.optimizer.learning_rate
            logs["learning_rate"] = float(rate.numpy())


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the state after every epoch, last of all callbacks, and takes a killed run up again."""

    REMEMBERED = ("best", "wait", "stopped_epoch", "cooldown_counter")

    def __init__(self, network: Any, state: Path, callbacks: list[Any], curve: Curve) -> None:
        super().__init__()
        self.network, self.state, self.callbacks, self.curve = network, state, callbacks, curve
        self.history: list[Logs] = []
        self.stopped = False

    def restore(self) -> int:
        """Load the state of a killed run, if there is one; returns how many epochs are done."""
        record = self.state / "progress.json"
        if not record.exists():
            return 0
        progress = json.loads(record.read_text(encoding="utf-8"))
        self.history, self.stopped = progress["history"], progress["stopped"]
        self.network.optimizer.build(self.network.trainable_variables)
        self._checkpoint().read(str(self.state / progress["checkpoint"] / "weights")).assert_consumed()
        self._remembered = progress["callbacks"]
        for epoch, logs in enumerate(self.history):
            self.curve(epoch, logs)
        print(f"train: going on after epoch {len(self.history)}", flush=True)
        return len(self.history)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Give the callbacks back what they remembered (their own `on_train_begin` has just forgotten it)."""
        for callback, remembered in zip(self.callbacks, getattr(self, "_remembered", []), strict=False):
            vars(callback).update(remembered)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the figures, then write the state under a new name and switch to it in one step."""
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append(figures)
        self.curve(epoch, figures)
        print(f"train: epoch {epoch + 1}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()), flush=True)
        folder = self.state / f"epoch_{epoch}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._checkpoint().write(str(folder / "weights"))
        progress = {
            "checkpoint": folder.name,
            "history": self.history,
            "stopped": bool(self.model.stop_training),
            "callbacks": [
                {name: float(value) for name, value in vars(callback).items() if name in self.REMEMBERED}
                for callback in self.callbacks
            ],
        }
        partial = self.state / "progress.json.partial"
        partial.write_text(json.dumps(progress), encoding="utf-8")
        os.replace(partial, self.state / "progress.json")
        for old in self._others(folder):
            shutil.rmtree(old)

    def _checkpoint(self) -> tf.train.Checkpoint:
        return tf.train.Checkpoint(model=self.network, optimizer=self.network.optimizer)

    def _others(self, current: Path) -> Iterator[Path]:
        return (folder for folder in list(self.state.glob("epoch_*")) if folder != current)
