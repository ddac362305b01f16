"""Fit one network for one validation fold; after a kill, go on where it stopped, to the same result.

All that a resumed run needs is in one folder, `state`, replaced as a whole after each epoch: weights and optimizer
(a TensorFlow checkpoint), the best weights so far, what the callbacks remember, and the curves. Random numbers need
no saving: crops depend on their number, everything else on the seed and the epoch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.competition.prepared import Prepared
from stages.network import batches, losses, model
from stages.network.callbacks import Bar, Curve, Logs, Progress, Reseed, Validate
from stages.settings import Train

keras: Any = tf.keras

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
    network.compile(keras.optimizers.Adam(_learning_rate(options, steps)), losses.LOSSES[options.loss].make(weights))
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
                Validate(data, validation, options),
                Bar(f"train: fold {fold}", crops.steps, options),
                *progress.callbacks,
                progress,
            ],
            verbose=0,
        )
    return Fitted(state / BEST, progress.history, weights, pixels)


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
