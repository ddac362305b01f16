"""Build data/kernel, a notebook for competitions that take no CSV: ready for `kaggle kernels push`.

Reads data/model and data/postprocess.json; writes the script with its metadata, and in data/kernel/dataset the private
data set that it reads: the networks and the parameters. The script is made of the modules that infer_test and predict
run, so the notebook submits what predict would. It runs TensorFlow, whatever `inference.engine` says: Kaggle's
machines have no OpenVINO.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from stages.inference import ensemble
from stages.pipeline import cli, outputs, paths, settings
from stages.postprocessing import rules_file
from stages.postprocessing.rules import Rules

ROOT = Path(__file__).parents[1]
# In the order of their imports. `stages.training` is not among them: it sets switches for training.
MODULES = (
    "stages.pipeline.arrays",
    "stages.pipeline.cli",
    "stages.pipeline.arrays",
    "stages.pipeline.outputs",
    "stages.pipeline.parallel",
    "stages.dataset.rle",
    "stages.dataset.layout",
    "stages.dataset.tables",
    "stages.dataset.images",
    "stages.dataset.submission",
    "stages.postprocessing.prediction",
    "stages.postprocessing.rules",
    "stages.inference.cpu",
    "stages.inference.tensorflow_start",
    "stages.inference.averaging",
    "stages.inference.savedmodel",
    "stages.inference.segmentation",
    "stages.kaggle.notebook",
)
NAME = 50  # Kaggle's longest name of a data set


def kernel() -> None:
    """Run the stage."""
    options = settings.load()
    slug = options.competition.slug
    owner = options.kernel.owner or "INSERT_OWNER_HERE"
    with outputs.folder(paths.KERNEL) as folder:
        (folder / "submission.py").write_text(script(ROOT), encoding="utf-8")
        _write(folder / "kernel-metadata.json", kernel_metadata(owner, slug, options.kernel.accelerator))
        dataset = folder / "dataset"
        shutil.copytree(paths.MODEL, dataset / "model")
        _write(dataset / "dataset-metadata.json", dataset_metadata(owner, slug))
        networks = [member.folder for member in ensemble.read(paths.MODEL).members]
        rules = rules_file.read(paths.RULES).rules
        _write(dataset / "parameters.json", parameters(options, networks, rules))
    if options.inference.engine != "tensorflow":
        print("kernel: the notebook runs TensorFlow, whatever inference.engine says: Kaggle has no OpenVINO")
    size = sum(file.stat().st_size for file in paths.KERNEL.rglob("*") if file.is_file())
    print(f"kernel: {paths.KERNEL}: a script, and a data set of {size / 1e6:.0f} MB; of {owner}")


def script(root: Path) -> str:
    """One script of the modules that predict runs, which brings them under their own names without this project.

    Args:
        root: the folder that holds `stages`.
    """
    sources = {name: (root / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in MODULES}
    packages = sorted({name.rpartition(".")[0] for name in MODULES})
    return f'''"""Segments the test images and writes submission.csv. Made by `stages.kernel`: change that instead."""

import os
import sys
import tempfile
import types
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "0"  # the networks are TensorFlow's own, without Keras
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

SOURCES = {json.dumps(sources, indent=4, ensure_ascii=False)}

for name in {packages!r}:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
for name, source in SOURCES.items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    package, _, last = name.rpartition(".")
    setattr(sys.modules[package], last, module)

with tempfile.TemporaryDirectory() as scratch:
    sys.modules["stages.pipeline.cli"].guard(
        "submission",
        lambda: sys.modules["stages.kaggle.notebook"].run(
            Path(os.environ.get("MOUNTED", "/kaggle/input")), Path("submission.csv"), Path(scratch)
        ),
    )
'''


def kernel_metadata(owner: str, slug: str, accelerator: str | None) -> dict[str, Any]:
    """What `kaggle kernels push` reads: private, without internet, with the model and the competition mounted."""
    name = kernel_name(slug)
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
        "dataset_sources": [f"{owner}/{dataset_name(slug)}"],
        "competition_sources": [slug],
    }


def dataset_metadata(owner: str, slug: str) -> dict[str, Any]:
    """What `kaggle datasets create` and `version` read."""
    name = dataset_name(slug)
    return {"id": f"{owner}/{name}", "title": name.replace("-", " "), "licenses": [{"name": "other"}]}


def kernel_name(slug: str) -> str:
    """The notebook's own part of its address."""
    return f"{slug[: NAME - 10].rstrip('-')}-inference"


def dataset_name(slug: str) -> str:
    """The data set's own part of its address."""
    return f"{slug[: NAME - 6].rstrip('-')}-model"


def parameters(options: settings.Settings, networks: list[str], rules: Rules) -> dict[str, Any]:
    """What the script needs to know."""
    return {
        "classes": len(options.competition.classes),
        "height": options.competition.image_height,
        "width": options.competition.image_width,
        "networks": networks,
        "rules": rules.to_json(),
        "batch_size": options.inference.batch_size,
        "flips": options.inference.flips,
        "form": options.predict.form,
        "hours": options.kernel.hours,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(kernel, __doc__)
