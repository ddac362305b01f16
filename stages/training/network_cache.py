"""The states of trainings in data/state: one folder per network, named after everything that the network depends on.

An unfinished training continues from its folder. A finished network is taken from it and not trained again.
"""

import hashlib
import os
import shutil
from functools import cache
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf

from stages.pipeline import paths, source_code
from stages.training import fit
from stages.training.job import Job

ROOT = Path(__file__).parents[2]
KEPT = 30  # finished networks that stay in data/state, the most recently used ones; 50 MB each for a ResNet18 U-Net
PACKAGES = (  # whose versions change crops or networks, besides TensorFlow, which has several names
    "tf-keras", "segmentation-models", "image-classifiers", "efficientnet", "keras-applications", "numpy",
    "opencv-python-headless",
)  # fmt: skip
# The modules whose code changes crops or networks: everything that `stages.training.fit` imports, except modules that
# act only through the options or that only write and report. A test compares this list with the imports.
MODULES = (
    "stages.dataset.encoded_store",
    "stages.dataset.images",
    "stages.dataset.label_maps",
    "stages.dataset.layout",
    "stages.dataset.prepared",
    "stages.dataset.pseudo_labels",
    "stages.dataset.tiles",
    "stages.inference.averaging",
    "stages.inference.savedmodel",
    "stages.postprocessing.class_weights",
    "stages.postprocessing.prediction",
    "stages.postprocessing.rules",
    "stages.scoring.confusion",
    "stages.scoring.dice",
    "stages.scoring.metric",
    "stages.scoring.overlaps",
    "stages.training.augment",
    "stages.training.batches",
    "stages.training.callbacks",
    "stages.training.checksums",
    "stages.training.class_weights",
    "stages.training.crops",
    "stages.training.decoder_stages",
    "stages.training.deep_supervision",
    "stages.training.degradations",
    "stages.training.depthwise",
    "stages.training.distribution",
    "stages.training.efficientnet_lite",
    "stages.training.encoder",
    "stages.training.fit",
    "stages.training.hard_pixels",
    "stages.training.loader",
    "stages.training.losses",
    "stages.training.mixed_crops",
    "stages.training.mixup",
    "stages.training.model",
    "stages.training.optimizer",
    "stages.training.replaced_layers",
    "stages.training.torch_file",
    "stages.training.upsampling",
    "stages.training.warps",
    "stages.training.weights_average",
    "stages.training.whole_batch",
)


def fingerprint(job: Job, fold: int | None) -> str:
    """Digest of what one network depends on: parameters, data, fold, pseudo-labels, code, packages, kind of machine.

    The number of devices is not part of it: a training may continue on more or fewer of them.
    """
    return hashlib.sha256(repr((facts(job), fold, job.pseudo.files(fold))).encode()).hexdigest()


def facts(job: Job) -> dict[str, str]:
    """Everything that all networks of a run depend on, by name."""
    per_network = job.options.model_copy(update={"folds": (), "final": None, "blend": (), "loader_processes": 0})
    weights = Path(job.options.encoder_weights or "")
    return {
        "data/prepared": repr(job.data.summary),
        "params.yaml: seed": str(job.seed),
        "params.yaml: train": repr(per_network),
        "train.encoder_weights": hashlib.sha256(weights.read_bytes()).hexdigest() if weights.is_file() else "",
        "installed packages": repr([tf.__version__, *(version(name) for name in PACKAGES)]),
        "kind of machine (GPU or not, oneDNN)": repr(
            (bool(tf.config.list_physical_devices("GPU")), os.environ["TF_ENABLE_ONEDNN_OPTS"])
        ),
        "code in stages/": code_digest(),
    }


@cache
def code_digest() -> str:
    """Of the code as it is when a process asks first: an edit during a training changes nothing that runs."""
    digest = hashlib.sha256()
    for name in MODULES:
        source = (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        digest.update(f"{name}\n{source_code.parsed(source)}\n".encode())
    return digest.hexdigest()


def folder(job: Job, fold: int | None) -> Path:
    """The folder for the state of one network, and of no other."""
    path = paths.TRAIN_STATE / fingerprint(job, fold)[:32]
    path.mkdir(parents=True, exist_ok=True)
    return path


def tidy(used: set[Path]) -> None:
    """Remove unfinished trainings of other parameters, data or code, and finished ones that were not used recently."""
    for leftover in paths.TRAIN_STATE.glob(".removed.*"):
        shutil.rmtree(leftover)
    finished = {record.parents[1]: record.stat().st_mtime for record in paths.TRAIN_STATE.glob(f"*/*/{fit.FINISHED}")}
    others = set(paths.TRAIN_STATE.iterdir()) - used
    oldest = sorted(others & set(finished), key=lambda folder: -finished[folder])[KEPT:]
    for folder in {*oldest, *(others - set(finished))}:
        if folder.is_dir():
            removed = folder.with_name(f".removed.{folder.name}")  # a half removed folder must not be read as a state
            shutil.rmtree(removed, ignore_errors=True)
            os.replace(folder, removed)
            shutil.rmtree(removed)
