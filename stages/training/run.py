"""The work of the stage train: one network for every validation fold, and everything that the stage writes."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.dataset import pseudo_labels
from stages.dataset.prepared import Dataset
from stages.dataset.pseudo_labels import PseudoSets
from stages.inference import blend, ensemble, gpus
from stages.pipeline import lock, outputs, paths, settings, training_times
from stages.training import curves, distribution, fit, forced, loader, network_cache, precision
from stages.training.callbacks import Logs, best_epochs
from stages.training.export import export
from stages.training.fit import TrainedNetwork
from stages.training.job import Job
from stages.training.losses import LOSSES
from stages.training.system_errors import as_os_error


def run(options: settings.Settings, data: Dataset, gpus_found: int) -> None:
    """Train all networks, or do one worker's part of it.

    Args:
        options: all of params.yaml.
        data: the prepared data set.
        gpus_found: how many GPUs of this machine take part.
    """
    network_cache.code_digest()
    outputs.check()  # so the code that was imported is the code of the digest
    _report_clipped_crops(options.train, data)
    train = precision.resolved(options.train, gpus_found)
    print(f"train: on {_devices(gpus_found)}; computes in {train.precision}", flush=True)
    cluster = distribution.cluster(gpus_found)
    cluster.check(train)
    processes = loader.processes(train, gpus_found, cluster.on_this_machine)
    if processes:
        print(f"train: {processes} process(es) make crops", flush=True)
    job = Job(data, train, options.training_seed, cluster, _pseudo_labels(train, data), processes)
    with distribution.lost_workers_reported(cluster):
        if cluster.workers > 1:
            cluster.check_consistent(network_cache.facts(job) | _of_run(job))
        if cluster.is_chief:
            with lock.held(paths.TRAIN_STATE / "lock", "training", "if the dvc that started it is gone"):
                _train(job)
        else:
            _take_part(job)
        cluster.barrier()


def _pseudo_labels(options: settings.Train, data: Dataset) -> PseudoSets:
    """The pseudo-labels for all networks, if a share of the crops comes from them."""
    if not options.pseudo_share:
        return pseudo_labels.NONE
    return pseudo_labels.read(paths.PSEUDO, data, [*options.folds, *([None] if options.final else [])])


def _of_run(job: Job) -> dict[str, str]:
    """What the workers of a run have to agree on, besides what all its networks depend on."""
    return {"params.yaml: train": repr(job.options), "data/pseudo": repr(job.pseudo.sha256)}


def _devices(gpus_found: int) -> str:
    if gpus_found:
        return f"{gpus_found} GPU(s)"
    return f"the CPU; TensorFlow finds no GPU {gpus.unused(gpus_found)}".rstrip()


def _take_part(job: Job) -> None:
    """Train what the chief trains, and write nothing."""
    trained = []
    with tempfile.TemporaryDirectory() as scratch:
        for fold in job.options.folds:
            trained.append(fit.fit(job, fold, Path(scratch, str(fold)), _no_curve))
        if job.options.final:
            final = replace(job, options=for_every_fold(job.options, trained))
            fit.fit(final, None, Path(scratch, "final"), _no_curve)


def _no_curve(epoch: int, logs: Logs) -> None:
    pass


@dataclass(frozen=True)
class _Targets:
    """Where the networks and curves of this run go, and whether finished networks start over."""

    networks: Path
    curves: Path
    starting_over: forced.StartingOver


def _train(job: Job) -> None:
    """Train all networks and write the stage's outputs."""
    options, data = job.options, job.data
    used: list[Path] = []
    metrics: dict[str, Any] = {"precision": options.precision}
    trained: list[TrainedNetwork] = []
    starting_over = forced.StartingOver(forced.is_forced())
    with outputs.folder(paths.MODEL) as folder, outputs.folder(paths.TRAIN_CURVES) as curve_folder:
        targets = _Targets(folder, curve_folder, starting_over)
        joining = [  # before hours of training, since a name may be wrong
            member
            for number, revision in enumerate(options.blend)
            for member in blend.bring_networks(revision, folder, f"blend_{number}", data.summary)
        ]
        _warn_of_other_folds(joining, options.folds)
        members = []
        for fold in options.folds:
            used.append(network_cache.folder(job, fold))
            trained.append(_train_one(job, fold, used[-1], targets))
            metrics[f"fold_{fold}"] = summary(trained[-1], data.classes, options)
            members.append(_member(f"fold_{fold}", fold, trained[-1], options))
        if options.final:
            final = replace(job, options=for_every_fold(options, trained))
            length = f"{final.options.epochs} + {final.options.full_size_epochs} epochs"
            print(f"train: on every fold (train.final) for {length}, without validation", flush=True)
            used.append(network_cache.folder(final, None))
            last = _train_one(final, None, used[-1], targets)
            metrics["final"] = summary(last, data.classes, final.options) | {"scored": 0}
            members.append(_member("final", None, last, final.options))
        ensemble.write(folder, ensemble.Ensemble(data.summary, [*members, *joining]))
    outputs.write_metrics(paths.TRAIN_METRICS, metrics)
    states = [state for folder in used for state in folder.iterdir() if state.is_dir()]
    training_times.keep(metrics, training_times.read(states))
    starting_over.finish()
    network_cache.tidy(set(used))


def for_every_fold(options: settings.Train, trained: list[TrainedNetwork]) -> settings.Train:
    """Options of the training on every fold: as many epochs as were best in validation, averaged over the folds.

    With two phases, the first keeps its length, and the best epoch is that of the second, whose weights are used.
    """
    key = f"val_{options.monitor}"
    lengths = []
    for network in trained:
        before = sum(network.phases[:-1])
        figures = [logs[key] for logs in network.history[before:]]
        lengths.append(figures.index(max(figures)) + 1)
    best = max(1, round(sum(lengths) / len(lengths)))
    if options.full_size_epochs:
        first = round(sum(network.phases[0] for network in trained) / len(trained))
        frozen = min(options.frozen_epochs, first - 1)
        return options.model_copy(update={"epochs": first, "full_size_epochs": best, "frozen_epochs": frozen})
    warmup, frozen = min(options.warmup_epochs, best / 2), min(options.frozen_epochs, best - 1)
    return options.model_copy(update={"epochs": best, "warmup_epochs": warmup, "frozen_epochs": frozen})


def _train_one(job: Job, fold: int | None, state: Path, targets: _Targets) -> TrainedNetwork:
    """Train one network, or take it from its state, and export it."""
    name = "final" if fold is None else f"fold_{fold}"
    targets.starting_over.prepare(state / name, fit.FINISHED)
    with curves.open_folder(targets.curves / name) as live, as_os_error(state):
        watch, log = training_times.Stopwatch(state / name), curves.logger(live)

        def note(epoch: int, logs: Logs) -> None:
            log(epoch, logs)
            watch.lap()

        trained = fit.fit(job, fold, state / name, note)
    print(f"train: {name}: writing the network to {paths.MODEL}", flush=True)
    export(fit.exported(job.options, job.data), job.data.layout, trained.weights, targets.networks / name)
    return trained


def summary(trained: TrainedNetwork, classes: list[str], options: settings.Train) -> dict[str, Any]:
    """Metrics of one network: its best epoch's figures, its class weights, and each class's share of crop pixels."""
    before = sum(trained.phases[:-1])
    best = before + best_epochs(trained.history[before:], options.model_copy(update={"average_best": 1}))[0]
    names = ["background", *classes]
    return {
        "epochs": len(trained.history),
        "best_epoch": best + 1,
        **{name: value for name, value in trained.history[best].items() if name != "learning_rate"},
        "class_weights": dict(zip(names, trained.class_weights.astype(float).tolist(), strict=True)),
        "pixel_share": dict(zip(names, (trained.pixels / trained.pixels.sum()).tolist(), strict=True)),
    }


def _member(folder: str, fold: int | None, trained: TrainedNetwork, options: settings.Train) -> ensemble.EnsembleMember:
    loss = LOSSES[options.loss]
    weights = trained.class_weights if loss.weighted else np.ones_like(trained.class_weights)
    return ensemble.EnsembleMember(
        folder=folder,
        fold=fold,
        softmax=loss.activation == "softmax",
        presence=options.presence_weight > 0,
        class_weights=tuple(weights.astype(float).tolist()),
        crop_share=tuple((trained.pixels / trained.pixels.sum()).tolist()),
    )


def _warn_of_other_folds(joining: list[ensemble.EnsembleMember], folds: tuple[int, ...]) -> None:
    others = sorted({member.fold for member in joining if member.fold is not None} - set(folds))
    if others:
        print(
            f"train: WARNING: train.blend adds networks validated on fold {', '.join(map(str, others))}, which is not "
            "in train.folds: they change the held-out figures and the submission, but not the validation figures by "
            "which you choose"
        )


def _report_clipped_crops(options: settings.Train, data: Dataset) -> None:
    height, width = data.images.height, data.images.width
    if options.crop_height > height or options.crop_width > width:
        crop = f"{min(options.crop_height, height)}×{min(options.crop_width, width)}"
        asked = f"{options.crop_height}×{options.crop_width} (train.crop_height, train.crop_width)"
        print(f"train: crops of {asked} clipped to {crop}: images are {height}×{width}")
