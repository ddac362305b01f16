"""Write the trained networks into a folder that runs without this repository.

    python -m stages export --format onnx --out steel          # for onnxruntime and others
    python -m stages export --format openvino --out steel      # for OpenVINO; in int8 if inference.precision says so
    python -m stages export --format savedmodel --out steel    # for TensorFlow, as they are
    python -m stages export --check steel                      # are these the files that were exported?

The folder gets the networks of data/model, model.json (how images are read, what the networks see, the rules of
post-processing), example.py with the code that it needs, a model card, and the SHA-256 of every file. What is exported
is the run that dvc.lock records, and it must be of the current parameters, data and code.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from stages.dataset import images
from stages.exporting import card, code, description, kaggle_model, manifest, networks, run_state
from stages.exporting.kaggle_model import KaggleModel
from stages.exporting.networks import FORMATS, Format
from stages.inference import gpus
from stages.inference.engines import Engine
from stages.pipeline import hashes, outputs, paths, settings
from stages.pipeline.cli import UserError
from stages.postprocessing import rules_file

RUNTIMES = {"onnx": "onnxruntime", "openvino": "openvino", "savedmodel": "tensorflow"}


def export(form: Format, target: Path, kaggle: KaggleModel | None) -> None:
    """Write the export.

    Args:
        form: of the networks.
        target: a folder that does not exist.
        kaggle: adds what Kaggle's client needs to publish the folder there; None adds nothing.

    Raises:
        UserError: the folder exists, there is no finished run, it is not the recorded one, parameters, data or code
            have changed since, a network cannot be converted, or a package is not installed.
    """
    _refuse_existing(target)
    networks.check_packages(form)
    options = settings.load()
    run_state.check()
    evaluated_by = _engine()
    precision = evaluated_by.precision if form == evaluated_by.name == "openvino" else "float32"
    engine = Engine(RUNTIMES[form], precision)
    if precision == "int8":
        run_state.check((paths.QUANTIZED,))
    print("export: checking that the run is of the current parameters, data and code", flush=True)
    revision = run_state.revision()
    rules = rules_file.read(paths.RULES).rules
    content = card.collected(options, rules, engine, evaluated_by)
    os.environ[gpus.HIDING] = "-1"  # nothing large is computed
    with outputs.folder(target) as folder:
        differences = networks.write(form, precision, options.competition.images.channels, folder)
        names = list(differences)
        description.write(folder, description.content(options, form, engine, names, rules))
        code.write(folder, form)
        largest = max(differences.values())
        card.write(folder, **content, form=form, networks=names, revision=revision, runs=engine.name, largest=largest)
        manifest.write(folder)
        if kaggle is not None:
            kaggle_model.write(folder, kaggle, form)
    _report(target, engine, largest, kaggle)


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise UserError(f"--out {target}: expected a folder that does not exist, found one: remove it or name another")
    place = target.resolve()
    for folders, why in ((paths.REMOVED, "a stage empties"), (paths.PROJECT, "belongs to the project")):
        for folder in folders:
            if folder.resolve() in place.parents:
                raise UserError(f"--out {target}: expected a folder outside of {folder}, which {why}: name another")


def _engine() -> Engine:
    """What computed the figures of the run."""
    found = card.read(paths.INFER_METRICS, "engine", "precision")
    return Engine(found["engine"], found["precision"])


def _report(target: Path, engine: Engine, largest: float, kaggle: KaggleModel | None) -> None:
    count = manifest.check(target)  # as it lies on the disk now
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"export: {target}: {count} files, {size / 1e6:.1f} MB, for {engine}")
    if largest:
        print(f"export: on noise, probabilities differ from those of the trained networks by {largest:.1g} at most")
    print(f"export: SHA-256 of {manifest.FILE}: {hashes.sha256(target / manifest.FILE)}")
    if names := images.listing(paths.TEST_IMAGES)[:2]:
        shown = " ".join(str(paths.TEST_IMAGES / name) for name in names)
        print(f"export: try it: python {target / 'example.py'} masks {shown}")
    if kaggle is not None:
        print(f"export: kaggle models create -p {target} && kaggle models variations create -p {target} -r zip")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--format", choices=FORMATS, help="what will run the networks")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where; a folder that does not exist")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="check the files of an export, and write nothing")
    parser.add_argument(
        "--kaggle-model", metavar="OWNER/SLUG", help="add the files by which Kaggle's client publishes it as a model"
    )


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    wanted: dict[str, Any] = {"--format": given.format, "--out": given.out}
    if given.check is not None:
        if any(wanted.values()) or given.kaggle_model:
            raise UserError("--check: expected no other option, found some: it writes nothing")
        count = manifest.check(given.check)
        print(f"export: {given.check}: {count} files, all as they were exported")
        print(f"export: SHA-256 of {manifest.FILE}: {hashes.sha256(given.check / manifest.FILE)}")
        return
    missing = [name for name, value in wanted.items() if value is None]
    if missing:
        raise UserError(f"expected --format and --out, or --check, found no {' and no '.join(missing)}")
    kaggle = None if given.kaggle_model is None else KaggleModel.parsed(given.kaggle_model)
    export(given.format, given.out, kaggle)
