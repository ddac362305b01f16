"""Fit one network, in one or two phases; after a kill, go on where it stopped, to the same result.

All that a resumed run needs is in one folder a phase, in `state`, replaced as a whole after each epoch: weights and
optimizer (a TensorFlow checkpoint), the best weights so far, what the callbacks remember, and the curves. Random
numbers need no saving: crops depend on their number, everything else on the seed and the epoch. Of a finished training
only the weights and the figures stay.
"""

import json
import os
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.dataset.prepared import Dataset, Sample
from stages.pipeline.settings import Train
from stages.training import crops as batches
from stages.training import losses, model
from stages.training.callbacks import Bar, Best, Curve, Logs, Progress, Reseed, Validate, best_epochs
from stages.training.distribution import SINGLE_DEVICE, Cluster

keras: Any = tf.keras

AVERAGE = "average.weights.h5"
FINISHED = "finished.json"
COUNTED = 2_000  # crops whose pixels decide the class weights


@dataclass(frozen=True)
class Fitted:
    """One trained network.

    Attributes:
        weights: file with the weights, averaged over the best epochs of the last phase.
        history: one sample an epoch, both phases': loss, learning rate and validation figures.
        phases: how many epochs each phase had.
        class_weights: float32 (1 + classes,), the background first, of the last phase.
        pixels: int64 (1 + classes,), pixels of each class in the crops of the last phase.
    """

    weights: Path
    history: list[Logs]
    phases: tuple[int, ...]
    class_weights: npt.NDArray[np.float32]
    pixels: npt.NDArray[np.int64]


def fit(
    data: Dataset,
    fold: int | None,
    options: Train,
    seed: int,
    state: Path,
    curve: Curve,
    cluster: Cluster = SINGLE_DEVICE,
) -> Fitted:
    """Train on all folds but `fold` and the held-out one; the best epochs are those by `options.monitor`.

    Args:
        data: the prepared data set.
        fold: validation fold. None: train on every fold, the held-out one included, without validation, for just the
            epochs that `options` says; the last epochs then count as the best.
        options: the section `train` of params.yaml.
        seed: decides initial weights and crops.
        state: folder that survives a kill; what it holds must come from a run of the same data, options and code. If
            that run was finished, its result is given back. Of a cluster's workers the chief's counts, and the others,
            whose own is empty at first, are given what they need of it.
        curve: called with epoch (from 0) and figures, for every epoch, those of a resumed run's past included.
        cluster: the devices that share the work.

    Returns:
        The network, of which only the chief has the weights.
    """
    state.mkdir(parents=True, exist_ok=True)
    cluster.broadcast(state)
    if (state / FINISHED).exists() and (state / AVERAGE).exists():
        return _finished(state, curve)
    training = data.index if fold is None else data.training(fold)
    validation = [] if fold is None else data.fold(fold)
    seed += data.folds if fold is None else fold
    phases: list[Fitted] = []
    for number, phase in enumerate([options, *full_size(options, data)], start=1):
        if phases:
            cluster.broadcast(state)  # the weights to start from
        done = [logs for earlier in phases for logs in earlier.history]
        fitted = _phase(
            data,
            (training, validation),
            phase,
            seed,
            state / f"phase_{number}",
            partial(_later, curve, len(done)),
            phases[-1].weights if phases else None,
            cluster,
        )
        phases.append(fitted)
    history = [logs for fitted in phases for logs in fitted.history]
    lengths = tuple(len(fitted.history) for fitted in phases)
    fitted = Fitted(phases[-1].weights, history, lengths, phases[-1].class_weights, phases[-1].pixels)
    return _finish(state, fitted) if cluster.is_chief else fitted


def _finish(state: Path, fitted: Fitted) -> Fitted:
    """Keep the weights and the figures of a training, and nothing else."""
    weights = state / AVERAGE
    os.replace(fitted.weights, weights)
    record = {
        "history": fitted.history,
        "phases": fitted.phases,
        "class_weights": fitted.class_weights.astype(float).tolist(),
        "pixels": fitted.pixels.tolist(),
    }
    unfinished = state / f"{FINISHED}.partial"
    unfinished.write_text(json.dumps(record), encoding="utf-8")
    os.replace(unfinished, state / FINISHED)
    for folder in state.glob("phase_*"):
        shutil.rmtree(folder)
    return replace(fitted, weights=weights)


def _finished(state: Path, curve: Curve) -> Fitted:
    record = json.loads((state / FINISHED).read_text(encoding="utf-8"))
    for epoch, logs in enumerate(record["history"]):
        curve(epoch, logs)
    (state / FINISHED).touch()
    return Fitted(
        state / AVERAGE,
        record["history"],
        tuple(record["phases"]),
        np.array(record["class_weights"], np.float32),
        np.array(record["pixels"], np.int64),
    )


def _later(curve: Curve, before: int, epoch: int, logs: Logs) -> None:
    curve(before + epoch, logs)


def full_size(options: Train, data: Dataset) -> list[Train]:
    """The second phase, if there is one: whole images, every image once an epoch."""
    if not options.full_size_epochs:
        return []
    whole = {
        "epochs": options.full_size_epochs,
        "batch_size": options.full_size_batch_size,
        "downscale": options.full_size_downscale,
        "learning_rate": options.full_size_learning_rate,
        "learning_rate_schedule": "cosine",
        "warmup_epochs": 0,
        "crop_height": data.images.height,
        "crop_width": data.images.width,
        "crops_per_image": 1,
        "foreground_fraction": 0,
        "max_black_fraction": 1,
        "quarter_turns": options.quarter_turns and data.images.height == data.images.width,
    }
    return [options.model_copy(update=whole)]


def exported(options: Train, data: Dataset) -> Train:
    """The options of the network that a training leaves: those of its last phase, in float32 whatever it trained in."""
    return [options, *full_size(options, data)][-1].model_copy(update={"precision": "float32"})


def _phase(
    data: Dataset,
    samples: tuple[list[Sample], list[Sample]],
    options: Train,
    seed: int,
    state: Path,
    curve: Curve,
    start: Path | None,
    cluster: Cluster,
) -> Fitted:
    """One phase: from random or given weights to the average of its best epochs. `samples`: training and validation."""
    training, validation = samples
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    state.mkdir(parents=True, exist_ok=True)
    crops = batches.Crops(data, training, options, seed)
    pixels = crops.pixels(most=COUNTED)
    weights = losses.class_weights(options.class_weights, pixels)
    with cluster.scope():
        network = model.build(options, len(data.classes))
        if start is not None:
            model.bare(network).load_weights(start)
        _compile(network, options, weights, crops.steps)
        progress = Progress(network, state, _callbacks(options, bool(validation)), curve, cluster)
        first = progress.restore()
    if first < options.epochs and not progress.stopped:
        network.fit(
            batches.dataset(crops, first, options.epochs, cluster),
            initial_epoch=first,
            epochs=options.epochs,
            steps_per_epoch=crops.steps,
            callbacks=[
                Reseed(seed),
                Validate(data, validation, options, cluster),
                Bar(f"train: {state.parent.name}", crops.steps, options),
                *progress.callbacks,
                Best(progress, options),
                progress,
            ],
            verbose=0,
        )
    best = best_epochs(progress.history, options)
    averaged = state / AVERAGE
    if cluster.is_chief:
        with cluster.scope():
            _average(progress.bare, [Best.file(state, epoch) for epoch in best], averaged)
    return Fitted(averaged, progress.history, (len(progress.history),), weights, pixels)


def _compile(network: Any, options: Train, weights: losses.Weights, steps: int) -> None:
    kind = losses.LOSSES[options.loss]
    smoothing = [options.label_smoothing] if options.label_smoothing else []
    loss: Any = kind.make(weights, *smoothing)
    share = None
    if options.presence_weight:
        loss = {"logits": loss, "presence": keras.losses.BinaryCrossentropy(from_logits=True)}
        share = {"logits": 1.0, "presence": options.presence_weight}
    optimizer = keras.optimizers.Adam(_learning_rate(options, steps))
    if options.precision == "mixed_float16":  # small gradients vanish in float16 otherwise
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    network.compile(optimizer, loss, loss_weights=share)
    network.distribute_reduction_method = "first"  # the mean of all devices; Keras would add up those of the workers


def _average(network: Any, files: list[Path], target: Path) -> None:
    """Write the mean of several files of weights, as a whole; what batch normalisation has averaged is averaged too."""
    if not target.exists():
        total: list[npt.NDArray[np.float64]] = []
        for file in files:
            network.load_weights(file)
            found = [np.asarray(weight, np.float64) for weight in network.get_weights()]
            total = [so_far + weight for so_far, weight in zip(total, found, strict=True)] if total else found
        network.set_weights([(weight / len(files)).astype(np.float32) for weight in total])
        unfinished = target.with_name(f"partial.{target.name}")
        network.save_weights(unfinished)
        os.replace(unfinished, target)


def _learning_rate(options: Train, steps: int) -> Any:
    """Keras's own schedules, in steps; `steps` an epoch."""
    if options.learning_rate_schedule != "cosine":
        return options.learning_rate
    warmup = round(options.warmup_epochs * steps)
    rising = {"warmup_target": options.learning_rate, "warmup_steps": warmup} if warmup else {}
    start = 0.0 if warmup else options.learning_rate
    return keras.optimizers.schedules.CosineDecay(start, options.epochs * steps - warmup, **rising)


def _callbacks(options: Train, validated: bool) -> list[Any]:
    """Keras's own: early stopping and, if asked for, halving the learning rate on a plateau."""
    if not validated:
        return []
    monitor = {"monitor": f"val_{options.monitor}", "mode": "max"}
    callbacks = [keras.callbacks.EarlyStopping(patience=options.early_stopping_patience, **monitor)]
    if options.learning_rate_schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=options.plateau_patience, **monitor))
    return callbacks
