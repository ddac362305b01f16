"""Fit one network in one or two phases; after a kill, continue where it stopped, with the same result.

Everything that a resumed run needs is in one folder per phase inside `state`, and each epoch replaces it as a whole:
weights and optimizer (a TensorFlow checkpoint), the best weights so far, what the callbacks remember, and the curves.
Random numbers need not be saved: crops depend on their number, everything else on the seed and the epoch. A finished
training keeps only the weights and the figures.
"""

import os
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stages.dataset.prepared import Dataset, Sample
from stages.pipeline.arrays import Float32, Float64, Int64
from stages.pipeline.settings import Train
from stages.pipeline.train_settings import WITH_CROSS_ENTROPY
from stages.training import (
    batches,
    checksums,
    class_weights,
    deep_supervision,
    display,
    encoder,
    losses,
    mixed_crops,
    model,
    optimizer,
    weights_average,
)
from stages.training.callbacks import Best, Curve, Logs, Progress, Reseed, Validate, best_epochs
from stages.training.crops import Crops
from stages.training.display import Display
from stages.training.job import Job

keras: Any = tf.keras

AVERAGE = "average.weights.h5"
FINISHED = "finished.json"
COUNTED = 2_000  # crops whose pixels decide the class weights


@dataclass(frozen=True)
class TrainedNetwork:
    """The result of one training.

    Attributes:
        weights: file with the weights, averaged over the best epochs of the last phase.
        history: one mapping per epoch, of both phases: loss, learning rate and validation figures.
        phases: how many epochs each phase had.
        class_weights: float32 (1 + classes,), the background first, of the last phase.
        pixels: int64 (1 + classes,), pixels of each class in the crops of the last phase.
    """

    weights: Path
    history: list[Logs]
    phases: tuple[int, ...]
    class_weights: Float32
    pixels: Int64


def fit(job: Job, fold: int | None, state: Path, curve: Curve) -> TrainedNetwork:
    """Train on all folds but `fold` and the held-out one; the best epochs are those by `job.options.monitor`.

    Args:
        job: data, options, seed and devices.
        fold: validation fold. None: train on every fold, the held-out one included, without validation, for exactly the
            epochs that the options give; the last epochs then count as the best.
        state: folder that survives a kill. What it holds must come from a run with the same data, options and code. If
            that run was finished, its result is returned. In a cluster the chief's folder counts; the other workers
            start with an empty one and receive what they need.
        curve: called with epoch (from 0) and figures for every epoch, including those before a kill.

    Returns:
        The network. Only the chief has the weights.
    """
    data, cluster = job.data, job.cluster
    state.mkdir(parents=True, exist_ok=True)
    cluster.broadcast(state)
    finished = _read_finished(state, curve)
    if finished is not None:
        return finished
    training = data.index if fold is None else data.training(fold)
    validation = [] if fold is None else data.fold(fold)
    own_seed = job.seed + (data.folds if fold is None else fold)
    phases: list[TrainedNetwork] = []
    for number, options in enumerate([job.options, *full_size(job.options, data)], start=1):
        if phases:
            cluster.broadcast(state)  # the weights to start from
        phase = replace(job, options=options, seed=own_seed)
        before = sum(len(earlier.history) for earlier in phases)
        start = phases[-1].weights if phases else None
        folder = state / f"phase_{number}"
        crops = mixed_crops.of(phase, fold, training)
        if isinstance(crops, mixed_crops.MixedCrops) and cluster.is_chief:
            print(f"train: {state.name}: {crops.describe()}", flush=True)
        phases.append(_phase(phase, (crops, validation), folder, partial(_shifted, curve, before), start))
    history = [logs for phase_result in phases for logs in phase_result.history]
    lengths = tuple(len(phase_result.history) for phase_result in phases)
    trained = replace(phases[-1], history=history, phases=lengths)
    return _finish(state, trained) if cluster.is_chief else trained


def _finish(state: Path, trained: TrainedNetwork) -> TrainedNetwork:
    """Keep the weights and the figures of a training, and nothing else."""
    weights = state / AVERAGE
    os.replace(trained.weights, weights)
    record = {
        "history": trained.history,
        "phases": trained.phases,
        "class_weights": trained.class_weights.astype(float).tolist(),
        "pixels": trained.pixels.tolist(),
        "sha256": checksums.synced(state, [weights]),
    }
    checksums.write_record(state / FINISHED, record)
    for folder in state.glob("phase_*"):
        shutil.rmtree(folder)
    return replace(trained, weights=weights)


def _read_finished(state: Path, curve: Curve) -> TrainedNetwork | None:
    """The network of a training that was finished; None if there is none, or if it is damaged, which is told."""
    if not (state / FINISHED).exists():
        return None
    try:
        record = checksums.read_record(state / FINISHED)
        wrong = checksums.damaged(state, record["sha256"])
        trained = _of_record(state, record)
    except (OSError, ValueError, KeyError):
        wrong = str(state / FINISHED)
    if wrong:
        print(f"train: {wrong}: damaged, so this network is trained again", flush=True)
        shutil.rmtree(state)
        state.mkdir()
        return None
    for epoch, logs in enumerate(trained.history):
        curve(epoch, logs)
    print(
        f"train: {state.name}: taken from data/state, trained before with these parameters, data and code", flush=True
    )
    (state / FINISHED).touch()  # used recently: see network_cache.tidy
    return trained


def _of_record(state: Path, record: dict[str, Any]) -> TrainedNetwork:
    return TrainedNetwork(
        state / AVERAGE,
        record["history"],
        tuple(record["phases"]),
        np.array(record["class_weights"], np.float32),
        np.array(record["pixels"], np.int64),
    )


def _shifted(curve: Curve, before: int, epoch: int, logs: Logs) -> None:
    curve(before + epoch, logs)


def seed(number: int) -> None:
    """Make everything that TensorFlow does from now on repeatable."""
    tf.keras.utils.set_random_seed(number)
    tf.config.experimental.enable_op_determinism()


def full_size(options: Train, data: Dataset) -> list[Train]:
    """The second phase, if there is one: whole images, each once per epoch."""
    if not options.full_size_epochs:
        return []
    whole = {
        "epochs": options.full_size_epochs,
        "batch_size": options.full_size_batch_size,
        "downscale": options.full_size_downscale,
        "learning_rate": options.full_size_learning_rate,
        "learning_rate_schedule": "cosine",
        "warmup_epochs": 0,
        "frozen_epochs": 0,
        "deep_supervision": 0,  # the file that this phase starts from is without its heads
        "crop_height": data.images.height,
        "crop_width": data.images.width,
        "crops_per_image": 1,
        "pseudo_share": 0,  # the last word is that of true masks
        "foreground_fraction": 0,
        "max_black_fraction": 1,
        "quarter_turns": options.quarter_turns and data.images.height == data.images.width,
    }
    return [options.model_copy(update=whole)]


def exported(options: Train, data: Dataset) -> Train:
    """The options of the exported network: those of the last phase, in float32 whatever the precision of training."""
    last = [options, *full_size(options, data)][-1]
    return last.model_copy(update={"precision": "float32", "deep_supervision": 0})


def _phase(
    job: Job, samples: tuple[Crops, list[Sample]], state: Path, curve: Curve, start: Path | None
) -> TrainedNetwork:
    """One phase: from random or given weights to the average of its best epochs. `samples`: training and validation."""
    options, data, cluster = job.options, job.data, job.cluster
    crops, validation = samples
    name = state.parent.name + (f", {state.name.replace('_', ' ')}" if job.options.full_size_epochs else "")
    display.begin(name, crops, validation)
    seed(job.seed)
    state.mkdir(parents=True, exist_ok=True)
    pixels = crops.pixels(most=COUNTED)
    weights = class_weights.of_classes(options.class_weights, pixels)
    with cluster.scope():
        network = model.build(options, len(data.classes), data.layout.images.channels)
        if start is not None:
            model.bare(network).load_weights(start)
        prepare(network, options, weights, crops.steps)
        average = averaged_weights(network, options)
        progress = Progress(network, state, _callbacks(options, bool(validation)), curve, cluster, average)
        first = progress.restore()
    if first < options.epochs and not progress.stopped:
        batches.fit(
            network,
            crops,
            job,
            initial_epoch=first,
            epochs=options.epochs,
            steps_per_epoch=crops.steps,
            callbacks=[
                Reseed(job.seed),
                encoder.Unfreeze(options.frozen_epochs),
                *weights_average.around(
                    average,
                    [
                        Validate(data, validation, options, cluster),
                        *progress.callbacks,
                        Best(progress, options),
                        Display(name, crops.steps, progress, options),
                    ],
                ),
                progress,
            ],
            verbose=0,
        )
    averaged = state / AVERAGE
    if cluster.is_chief:
        best = best_epochs(progress.history, options)
        with cluster.scope():
            _average(progress.bare, [Best.file(state, epoch) for epoch in best], averaged)
    return TrainedNetwork(averaged, progress.history, (len(progress.history),), weights, pixels)


def prepare(network: Any, options: Train, weights: class_weights.Weights, steps: int) -> None:
    """Give the network its loss and its optimizer, and freeze its encoder if it begins so; `steps` per epoch."""
    kind = losses.LOSSES[options.loss]
    entropy = [options.label_smoothing, options.hard_pixels] if options.loss in WITH_CROSS_ENTROPY else []
    loss: Any = kind.make(weights, *entropy)
    of_outputs, shares = deep_supervision.losses(loss, options)
    if options.presence_weight:
        of_outputs["presence"] = keras.losses.BinaryCrossentropy(from_logits=True)
        shares["presence"] = options.presence_weight
    adam = optimizer.make(network, options, steps)
    if options.frozen_epochs:
        adam.build(network.trainable_variables)  # of all, before some are left out
        encoder.freeze(network)  # before Keras compiles: it trains what was trainable then
    if of_outputs:
        network.compile(adam, {"logits": loss} | of_outputs, loss_weights={"logits": 1.0} | shares)
    else:
        network.compile(adam, loss)
    network.distribute_reduction_method = "first"  # the mean over all devices; Keras would add up the workers' means


def averaged_weights(network: Any, options: Train) -> weights_average.WeightsAverage | None:
    """The moving average of the network's weights, if the options ask for one; after `prepare`."""
    if not options.weights_average:
        return None
    return weights_average.WeightsAverage(model.bare(network), options.weights_average, network.optimizer.iterations)


def _average(network: Any, files: list[Path], target: Path) -> None:
    """Write the mean of several files of weights, with the moving averages of batch normalisation, in one step."""
    total: list[Float64] = []
    for file in files:
        network.load_weights(file)
        loaded = [np.asarray(weight, np.float64) for weight in network.get_weights()]
        total = [sum_ + weight for sum_, weight in zip(total, loaded, strict=True)] if total else loaded
    network.set_weights([(weight / len(files)).astype(np.float32) for weight in total])
    partial_file = target.with_name(f"partial.{target.name}")
    network.save_weights(partial_file)
    os.replace(partial_file, target)


def _callbacks(options: Train, validated: bool) -> list[Any]:
    """Early stopping and, if the options ask for it, halving the learning rate on a plateau: both Keras's."""
    if not validated:
        return []
    monitor = {"monitor": f"val_{options.monitor}", "mode": "max"}
    callbacks = [keras.callbacks.EarlyStopping(patience=options.early_stopping_patience, **monitor)]
    if options.learning_rate_schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=options.plateau_patience, **monitor))
    return callbacks
