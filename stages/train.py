"""Train one network for every validation fold in train.folds, and export each as a SavedModel.

Reads data/prepared; writes data/model, metrics/train.json and the curves in metrics/train. A killed run is taken up
at the epoch where it stopped: its state is in data/state until the stage has succeeded.
"""

import hashlib
import multiprocessing
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dvclive import Live
from scmrepo.exceptions import SCMError

from stages import command, outputs, paths, settings
from stages.competition.prepared import Prepared
from stages.network import GPUS, fit, inference, model
from stages.network.callbacks import Curve, Logs
from stages.network.losses import LOSSES


def train() -> None:
    """Run the stage."""
    options = settings.load()
    data = Prepared(paths.PREPARED)
    state = _state(fingerprint(options, data))
    _tell_crop(options.train, data)
    print(f"train: on {GPUS} GPU(s)" if GPUS else "train: on the CPU; TensorFlow finds no GPU", flush=True)
    metrics = {}
    with outputs.folder(paths.MODEL) as folder:
        for fold in options.train.folds:
            with _curves(paths.TRAIN_CURVES / f"fold_{fold}") as live:
                fitted = fit.fit(data, fold, options.train, options.seed, state / f"fold_{fold}", _logger(live))
            # In a fresh process, where the names that TensorFlow gives to functions do not depend on what was
            # done before, the same weights always make the same bytes.
            process = multiprocessing.get_context("spawn").Process(
                target=export, args=(options.train, len(data.classes), fitted.weights, folder / f"fold_{fold}")
            )
            process.start()
            process.join()
            if process.exitcode:
                raise RuntimeError(f"the export of fold {fold} ended with exit status {process.exitcode}")
            metrics[f"fold_{fold}"] = summary(fitted, data.classes, options.train.monitor)
    outputs.write_metrics(paths.TRAIN_METRICS, metrics)
    shutil.rmtree(paths.TRAIN_STATE)


def export(options: settings.Train, classes: int, weights: Path, folder: Path) -> None:
    """Write the network with these weights as a SavedModel."""
    network = model.build(options, classes)
    network.load_weights(weights)
    inference.save(network, LOSSES[options.loss].activation, folder)


def summary(fitted: fit.Fitted, classes: list[str], monitor: str) -> dict[str, Any]:
    """Metrics of one network: its best epoch's figures, class weights, and shares of the pixels in its crops."""
    best = max(range(len(fitted.history)), key=lambda epoch: fitted.history[epoch][f"val_{monitor}"])
    names = ["background", *classes]
    return {
        "epochs": len(fitted.history),
        "best_epoch": best + 1,
        **{name: value for name, value in fitted.history[best].items() if name != "learning_rate"},
        "class_weights": dict(zip(names, fitted.class_weights.astype(float).tolist(), strict=True)),
        "pixel_share": dict(zip(names, (fitted.pixels / fitted.pixels.sum()).tolist(), strict=True)),
    }


def fingerprint(options: settings.Settings, data: Prepared) -> str:
    """What a killed training depends on: parameters, data, code, and TensorFlow's version."""
    digest = hashlib.sha256()
    versions = [version(name) for name in ("tensorflow", "tf-keras", "segmentation-models", "numpy")]
    digest.update(repr((options.train, options.seed, data.summary, versions)).encode())
    sources = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    for name, source in sorted({**sources, "stages.train": __file__}.items()):
        if name.startswith("stages.") and source:
            digest.update(name.encode() + Path(source).read_bytes())
    return digest.hexdigest()


def _state(wanted: str) -> Path:
    """The folder for the state of this training; a state of another training is removed."""
    record = paths.TRAIN_STATE / "fingerprint"
    if paths.TRAIN_STATE.exists() and (not record.exists() or record.read_text() != wanted):
        print("train: the state of an earlier, unfinished training is of other parameters, data or code: starting anew")
        shutil.rmtree(paths.TRAIN_STATE)
    paths.TRAIN_STATE.mkdir(parents=True, exist_ok=True)
    record.write_text(wanted)
    return paths.TRAIN_STATE


def _tell_crop(options: settings.Train, data: Prepared) -> None:
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
        raise command.UserError(
            f"DVCLive, which writes the curves, needs a git repository with at least one commit ({error}): "
            "git add --all && git commit -m start"
        ) from None


def _logger(live: Live) -> Curve:
    def log(epoch: int, logs: Logs) -> None:
        for name, value in logs.items():
            live.log_metric(name, value)
        live.next_step()

    return log


if __name__ == "__main__":
    command.run(train, __doc__)
