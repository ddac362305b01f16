"""The notebook as `kaggle kernels push` takes it: a script, and a data set with code, networks and parameters.

submission.py, kernel-metadata.json      the script, a copy of stages/kaggle/script.py
dataset/code/stages/…                    the modules that it imports, as plain files
dataset/model/…                          the networks
dataset/parameters.json                  size of the images, names of the networks, rules of post-processing
dataset/dataset-metadata.json
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.dataset.layout import Layout
from stages.inference import ensemble
from stages.pipeline import paths, settings
from stages.postprocessing import rules_file
from stages.postprocessing.rules import Rules

ROOT = Path(__file__).parents[2]  # of the repository
OWNER = "INSERT_OWNER_HERE"  # stands for the user's name until submit fills it in
LONGEST_NAME = 50  # of a Kaggle data set, in characters
# What the script imports. No module that imports DVC, pydantic or segmentation_models: Kaggle has none of them.
MODULES = (
    "stages.dataset.dicom",
    "stages.dataset.geometry",
    "stages.dataset.image_headers",
    "stages.dataset.image_names",
    "stages.dataset.images",
    "stages.dataset.label_maps",
    "stages.dataset.layout",
    "stages.dataset.path_patterns",
    "stages.dataset.rle",
    "stages.dataset.sample_submission",
    "stages.dataset.submission",
    "stages.dataset.tables",
    "stages.dataset.tiles",
    "stages.inference.averaging",
    "stages.inference.cpu",
    "stages.inference.ensemble",
    "stages.inference.gpus",
    "stages.inference.savedmodel",
    "stages.inference.segmentation",
    "stages.inference.tensorflow_start",
    "stages.kaggle.notebook",
    "stages.pipeline.arrays",
    "stages.pipeline.cli",
    "stages.pipeline.hashes",
    "stages.pipeline.outputs",
    "stages.pipeline.parallel",
    "stages.postprocessing.class_weights",
    "stages.postprocessing.prediction",
    "stages.postprocessing.rules",
)


def write(folder: Path, options: settings.Settings) -> None:
    """Write script, metadata and data set into an empty folder, from data/model and data/postprocess.json.

    Raises:
        UserError: a network that was copied is not the one that train wrote.
    """
    shutil.copyfile(Path(__file__).with_name("script.py"), folder / "submission.py")
    write_metadata(folder, options.kernel.owner, options.competition.slug, options.kernel.accelerator)
    dataset = folder / "dataset"
    copy_code(ROOT, dataset / "code")
    shutil.copytree(paths.MODEL, dataset / "model")
    saved = ensemble.read(dataset / "model")
    networks = [member.folder for member in saved.members]
    for network in networks:
        ensemble.check_files(dataset / "model", saved, network)
    rules = rules_file.read(paths.RULES).rules
    _write_json(dataset / "parameters.json", parameters(options, networks, rules))


def copy_code(root: Path, folder: Path, modules: Iterable[str] = MODULES) -> None:
    """Copy modules, and the `__init__.py` of their packages, from the repository; the paths stay the same."""
    files = {f"{name.replace('.', '/')}.py" for name in modules}
    files |= {f"{parent.as_posix()}/__init__.py" for name in files for parent in Path(name).parents if parent.name}
    for name in sorted(files):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)


def write_metadata(folder: Path, owner: str | None, slug: str, accelerator: str | None) -> None:
    """Write the metadata of the notebook and of its data set."""
    (folder / "dataset").mkdir(parents=True, exist_ok=True)
    _write_json(folder / "kernel-metadata.json", kernel_metadata(owner or OWNER, slug, accelerator))
    _write_json(folder / "dataset/dataset-metadata.json", dataset_metadata(owner or OWNER, slug))


def kernel_metadata(owner: str, slug: str, accelerator: str | None) -> dict[str, Any]:
    """What `kaggle kernels push` reads: private, offline, with the data set and the competition mounted."""
    name = f"{slug[: LONGEST_NAME - 10].rstrip('-')}-inference"
    return {
        "id": f"{owner}/{name}",
        "title": name.replace("-", " "),
        "code_file": "submission.py",
        "language": "python",
        "kernel_type": "script",
        "is_private": True,
        "enable_gpu": accelerator is not None,
        "machine_shape": accelerator,
        "enable_internet": False,
        "dataset_sources": [dataset_metadata(owner, slug)["id"]],
        "competition_sources": [slug],
    }


def dataset_metadata(owner: str, slug: str) -> dict[str, Any]:
    """What `kaggle datasets create` and `kaggle datasets version` read."""
    name = f"{slug[: LONGEST_NAME - 6].rstrip('-')}-model"
    return {"id": f"{owner}/{name}", "title": name.replace("-", " "), "licenses": [{"name": "other"}]}


def parameters(options: settings.Settings, networks: list[str], rules: Rules) -> dict[str, Any]:
    """What the script reads from parameters.json."""
    return {
        "layout": Layout.of(options.competition).to_json(),
        "networks": networks,
        "rules": rules.to_json(),
        "batch_size": options.inference.batch_size,
        "flips": options.inference.flips,
        "scales": list(options.inference.scales),
        "form": options.predict.form,
        "hours": options.kernel.hours,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
