"""Train one network for every validation fold, export each as a SavedModel, and write what the stage leaves."""

import errno
import multiprocessing
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from dvclive import Live
from scmrepo.exceptions import SCMError

from stages.dataset.prepared import Dataset
from stages.inference import blend, ensemble, savedmodel
from stages.pipeline import cli, outputs, paths, settings
from stages.training import distribution, fit, model, network_cache
from stages.training.callbacks import Curve, Logs, best_epochs
from stages.training.distribution import Cluster
from stages.training.losses import LOSSES

# How the system refuses to write a file, whoever asks.
REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def run(options: settings.Settings, data: Dataset, gpus: int) -> None:
    """Train all networks, or take one worker's part in it.

    Args:
        options: all of params.yaml.
        data: the prepared data set.
        gpus: how many of this machine take part.
    """
    _tell_crop(options.train, data)
    print(f"train: on {gpus} GPU(s)" if gpus else "train: on the CPU; TensorFlow finds no GPU", flush=True)
    cluster = distribution.cluster(gpus)
    cluster.check(options.train)
    with distribution.losses_are_told(cluster):
        if cluster.workers > 1:
            facts = network_cache.facts(options.train, options.training_seed, data)
            cluster.check_consistent(facts | {"params.yaml: train": repr(options.train)})
        if cluster.is_chief:
            _train(options, data, cluster)
        else:
            _take_part(options, data, cluster)
        cluster.barrier()


def _take_part(options: settings.Settings, data: Dataset, cluster: Cluster) -> None:
    """Train what the chief trains, and write nothing."""
    seed, fitted = options.training_seed, []
    with tempfile.TemporaryDirectory() as scratch:
        for fold in options.train.folds:
            fitted.append(fit.fit(data, fold, options.train, seed, Path(scratch, str(fold)), _no_curve, cluster))
        if options.train.final:
            final = for_every_fold(options.train, fitted)
            fit.fit(data, None, final, seed, Path(scratch, "final"), _no_curve, cluster)


def _no_curve(epoch: int, logs: Logs) -> None:
    pass


def _train(options: settings.Settings, data: Dataset, cluster: Cluster) -> None:
    """Train all networks and write what the stage leaves."""
    used: list[Path] = []
    metrics: dict[str, Any] = {}
    fitted: dict[int | None, fit.Fitted] = {}
    with outputs.folder(paths.MODEL) as folder, outputs.folder(paths.TRAIN_CURVES) as curves:
        members = []
        joining = [  # before hours of training, since a name may be wrong
            member
            for number, revision in enumerate(options.train.blend)
            for member in blend.bring_networks(revision, folder, f"blend_{number}", data.summary)
        ]
        _tell_other_folds(joining, options.train.folds)
        for fold in options.train.folds:
            used.append(network_cache.folder(options.train, options.training_seed, data, fold))
            fitted[fold] = _fit(data, fold, options.train, options.training_seed, used[-1], (folder, curves), cluster)
            metrics[f"fold_{fold}"] = summary(fitted[fold], data.classes, options.train)
            members.append(_member(f"fold_{fold}", fold, fitted[fold], options.train))
        if options.train.final:
            final = for_every_fold(options.train, list(fitted.values()))
            print(f"train: on every fold for {final.epochs} + {final.full_size_epochs} epochs; unscored", flush=True)
            used.append(network_cache.folder(final, options.training_seed, data, None))
            last = _fit(data, None, final, options.training_seed, used[-1], (folder, curves), cluster)
            metrics["final"] = summary(last, data.classes, final) | {"scored": 0}
            members.append(_member("final", None, last, final))
        ensemble.write(folder, ensemble.Ensemble(data.summary, [*members, *joining]))
    outputs.write_metrics(paths.TRAIN_METRICS, metrics)
    network_cache.tidy(set(used))


def for_every_fold(options: settings.Train, fitted: list[fit.Fitted]) -> settings.Train:
    """Options of the training on every fold: each phase as long as was best in validation, on the mean of the folds.

    Of two phases the first keeps its length and the best epoch is looked for in the second, whose networks are used.
    """
    key = f"val_{options.monitor}"
    lengths = []
    for one in fitted:
        before = sum(one.phases[:-1])
        figures = [logs[key] for logs in one.history[before:]]
        lengths.append(figures.index(max(figures)) + 1)
    best = max(1, round(sum(lengths) / len(lengths)))
    if options.full_size_epochs:
        first = round(sum(one.phases[0] for one in fitted) / len(fitted))
        return options.model_copy(update={"epochs": first, "full_size_epochs": best})
    return options.model_copy(update={"epochs": best, "warmup_epochs": min(options.warmup_epochs, best / 2)})


def _fit(
    data: Dataset,
    fold: int | None,
    options: settings.Train,
    seed: int,
    state: Path,
    targets: tuple[Path, Path],
    cluster: Cluster,
) -> fit.Fitted:
    """Train one network, or take it from its state, and export it; `targets`: folders of the networks and curves."""
    name = "final" if fold is None else f"fold_{fold}"
    folder, curves = targets
    with _curves(curves / name) as live, writing(state):
        fitted = fit.fit(data, fold, options, seed, state / name, _logger(live), cluster)
    # In a fresh process, where the names that TensorFlow gives to functions do not depend on what was
    # done before, the same weights always make the same bytes.
    work = partial(export, fit.exported(options, data), len(data.classes), fitted.weights, folder / name)
    process = multiprocessing.get_context("spawn").Process(target=cli.guard, args=("train", work))
    process.start()
    process.join()
    if process.exitcode == 1:
        sys.exit(1)  # it has said why
    if process.exitcode:
        raise RuntimeError(f"the export of {name} ended with exit status {process.exitcode}")
    return fitted


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise what TensorFlow and HDF5 say when the system refuses a file as the system's own error.

    Args:
        path: what the error names, where it does not name a file itself.

    Raises:
        OSError: with the system's number, such as that of a full disk. Every other error comes out as it is.
    """
    from tensorflow.errors import OpError  # after stages.training has set TensorFlow's switches

    try:
        yield
    except (OSError, RuntimeError, OpError) as error:
        number = next((known for known in REFUSALS if os.strerror(known) in str(error)), 0)
        if not number:
            raise
        raise OSError(number, os.strerror(number), getattr(error, "filename", None) or str(path)) from None


def export(options: settings.Train, classes: int, weights: Path, folder: Path) -> None:
    """Write the network with these weights as a SavedModel."""
    network = model.build(options, classes)
    model.bare(network).load_weights(weights)
    with writing(folder):
        savedmodel.save(network, LOSSES[options.loss].activation, folder)


def summary(fitted: fit.Fitted, classes: list[str], options: settings.Train) -> dict[str, Any]:
    """Metrics of one network: its best epoch's figures, class weights, and shares of the pixels in its crops."""
    before = sum(fitted.phases[:-1])
    best = before + best_epochs(fitted.history[before:], options.model_copy(update={"average_best": 1}))[0]
    names = ["background", *classes]
    return {
        "epochs": len(fitted.history),
        "best_epoch": best + 1,
        **{name: value for name, value in fitted.history[best].items() if name != "learning_rate"},
        "class_weights": dict(zip(names, fitted.class_weights.astype(float).tolist(), strict=True)),
        "pixel_share": dict(zip(names, (fitted.pixels / fitted.pixels.sum()).tolist(), strict=True)),
    }


def _member(folder: str, fold: int | None, fitted: fit.Fitted, options: settings.Train) -> ensemble.EnsembleMember:
    kind = LOSSES[options.loss]
    weights = fitted.class_weights if kind.weighted else np.ones_like(fitted.class_weights)
    return ensemble.EnsembleMember(
        folder=folder,
        fold=fold,
        softmax=kind.activation == "softmax",
        presence=options.presence_weight > 0,
        class_weights=tuple(weights.astype(float).tolist()),
        crop_share=tuple((fitted.pixels / fitted.pixels.sum()).tolist()),
    )


def _tell_other_folds(joining: list[ensemble.EnsembleMember], folds: tuple[int, ...]) -> None:
    strangers = sorted({member.fold for member in joining if member.fold is not None} - set(folds))
    if strangers:
        print(
            f"train: WARNING: networks that join were validated on fold {', '.join(map(str, strangers))}, which is not "
            "in train.folds: they change the held-out figures and the submission, and nothing by which one may choose"
        )


def _tell_crop(options: settings.Train, data: Dataset) -> None:
    height, width = data.images.height, data.images.width
    if options.crop_height > height or options.crop_width > width:
        crop = f"{min(options.crop_height, height)}×{min(options.crop_width, width)}"
        print(
            f"train: crops of {options.crop_height}×{options.crop_width} clipped to {crop}: images are {height}×{width}"
        )


def _curves(folder: Path) -> Live:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return Live(str(folder), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError as error:
        raise cli.UserError(
            f"DVCLive, which writes the curves, needs a git repository with at least one commit ({error}): "
            "git add --all && git commit -m start"
        ) from None
    except sqlite3.OperationalError as error:
        raise cli.UserError(
            f"DVCLive, which writes the curves, cannot open DVC's own tables in /var/tmp/dvc or .dvc/tmp ({error}): is "
            "that disk full, or not yours to write to?"
        ) from None


def _logger(live: Live) -> Curve:
    def log(epoch: int, logs: Logs) -> None:
        for name, value in logs.items():
            live.log_metric(name, value)
        live.next_step()

    return log
