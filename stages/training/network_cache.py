"""States of trainings: a folder for each network, named after all that it depends on.

An unfinished training goes on from there; a finished network is taken from there and not trained again.
"""

import hashlib
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf

from stages.dataset.prepared import Dataset
from stages.pipeline import paths, settings
from stages.training import fit

KEPT = 30  # finished networks in data/state: the most recently used; of a ResNet18 U-Net 50 MB each
# What makes crops and networks.
PACKAGES = (
    "tensorflow", "tf-keras", "segmentation-models", "image-classifiers", "efficientnet", "keras-applications", "numpy",
    "opencv-python-headless",
)  # fmt: skip
# What they say reaches a network through its options.
LEFT_OUT = {
    "stages.pipeline.settings",
    "stages.pipeline.paths",
    "stages.pipeline.cli",
    "stages.pipeline.outputs",
    "stages.pipeline.yaml_files",
    "stages.train",
    "stages.training.network_cache",
}


def fingerprint(options: settings.Train, seed: int, data: Dataset, fold: int | None) -> str:
    """What one network depends on: parameters, data, fold, code, packages, and the kind of machine.

    Not on how many devices share the work: a training may go on with more or fewer of them.
    """
    return hashlib.sha256(repr((facts(options, seed, data), fold)).encode()).hexdigest()


def facts(options: settings.Train, seed: int, data: Dataset) -> dict[str, str]:
    """What every network of a run depends on, by name."""
    alone = options.model_copy(update={"folds": (), "final": None, "blend": ()})
    weights = Path(options.encoder_weights or "")
    own = weights.is_file()
    return {
        "data/prepared": repr(data.summary),
        "params.yaml: seed": str(seed),
        "params.yaml: train": repr(alone),
        "train.encoder_weights": hashlib.sha256(weights.read_bytes()).hexdigest() if own else "",
        "installed packages": repr([version(name) for name in PACKAGES]),
        "kind of machine (GPU or not, oneDNN)": repr(
            (bool(tf.config.list_physical_devices("GPU")), os.environ["TF_ENABLE_ONEDNN_OPTS"])
        ),
        "code in stages/": _code(),
    }


def _code() -> str:
    """A digest of all modules that are loaded and decide something."""
    digest = hashlib.sha256()
    sources = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    for name, source in sorted(sources.items()):
        if name.startswith("stages.") and name not in LEFT_OUT and source:
            digest.update(name.encode() + Path(source).read_bytes())
    return digest.hexdigest()


def folder(options: settings.Train, seed: int, data: Dataset, fold: int | None) -> Path:
    """The folder for the state of one network, and of no other."""
    path = paths.TRAIN_STATE / fingerprint(options, seed, data, fold)[:32]
    path.mkdir(parents=True, exist_ok=True)
    return path


def tidy(wanted: set[Path]) -> None:
    """Remove unfinished trainings of other parameters, data or code, and finished ones that were not used lately."""
    for left in paths.TRAIN_STATE.glob(".removed.*"):
        shutil.rmtree(left)
    finished = {record.parents[1]: record.stat().st_mtime for record in paths.TRAIN_STATE.glob(f"*/*/{fit.FINISHED}")}
    others = set(paths.TRAIN_STATE.iterdir()) - wanted
    old = sorted(others & set(finished), key=lambda folder: -finished[folder])[KEPT:]
    for folder in {*old, *(others - set(finished))}:
        if folder.is_dir():
            doomed = folder.with_name(f".removed.{folder.name}")  # half removed it must not be taken for whole
            shutil.rmtree(doomed, ignore_errors=True)
            os.replace(folder, doomed)
            shutil.rmtree(doomed)
