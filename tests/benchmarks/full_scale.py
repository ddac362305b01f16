"""What the pipeline needs at the competition's size: time, memory and disk of every stage.

    python -m tests.benchmarks.full_scale --folder /a/disk/with/25/GB/free
    python -m tests.benchmarks.full_scale --folder FOLDER --gpu 0.04 0.05

Draws 12,568 training and 5,506 test images of 1600×256 pixels and runs the stages on them, in a copy of the repository
in a temporary folder. download, explore, preprocess, check_data and kernel process everything. The other stages process
some of their images or steps, with the whole data set present; figures for the rest are extrapolated and printed in
brackets. With --gpu, the time of stages that run a network is also computed for a GPU, from two of its figures: seconds
per training step, and seconds per image in infer. Writes metrics/full_scale.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from stages.pipeline import outputs
from tests.benchmarks import projection, usage
from tests.benchmarks.projection import Stage, Training
from tests.support import locks, repository
from tests.support.repository import ROOT

METRICS = ROOT / "metrics/full_scale.json"
IMAGES, TEST_IMAGES = 12_568, 5_506  # of the competition
OF_TEST, OF_FOLD, STEPS, EPOCHS = 300, 60, 10, 2  # how much the other stages process
LEAST = 20  # images, so that none of five folds is empty
WHOLE = ("download", "explore", "preprocess", "check_data", "kernel")
NETWORK = ("infer", "infer_test")
MEGABYTE = 1e6

Params = dict[str, Any]


def main() -> None:
    """Measure, write the figures and print them."""
    options = _arguments()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="full_scale.") as temporary:
        stages, training = measure(Path(temporary), options.images, options.test_images)
    params = _params(ROOT)
    metrics = summarize(stages, training)
    if options.gpu:
        step, image = options.gpu
        inference = {name: stages[name] for name in NETWORK}
        seconds = projection.with_gpu(training, inference, step, image, params["inference"]["flips"])
        metrics["gpu"] = {"seconds_a_step": step, "seconds_an_image": image, "stages": seconds}
    outputs.write_metrics(METRICS, metrics)
    report(metrics)


def measure(folder: Path, images: int, test_images: int) -> tuple[dict[str, Stage], Training]:
    """Draw a data set in an empty folder and run the stages on it; returns figures of the stages and of training."""
    work, source = folder / "repository", folder / "source"
    work.mkdir()
    repository.start(work)
    params = _params(work)
    _run(["large_set", str(source), "--images", str(images), "--test-images", str(test_images)], "drawing", folder)
    short = {"epochs": EPOCHS, "warmup_epochs": 0, "folds": [0], "final": None, "blend": [], "full_size_epochs": 0}
    changed = params | {"download": params["download"] | {"source": str(source)}, "train": params["train"] | short}
    (work / "params.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    stages: dict[str, Stage] = {}
    described = yaml.safe_load((work / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name, description in described.items():
        stages[name], notes = _stage(name, description, folder, work, (images, test_images))
        if name == "download":
            shutil.rmtree(source)  # it has been copied to data/raw
        if name == "train":
            training = _training(stages[name], notes, work, params["train"])
    return stages, training


def _stage(
    name: str, description: Params, folder: Path, work: Path, size: tuple[int, int]
) -> tuple[Stage, dict[str, float]]:
    """Run one stage, on all of its images or on some."""
    notes_file = folder / "notes.json"
    if name == "kernel":  # which DVC would record before it runs kernel
        locks.write(work, "data/model", "data/postprocess.json")
    if name in WHOLE:
        used, notes, done, images = _run([], name, work), {}, 1, 1
    else:
        part = OF_TEST if name in ("infer_test", "predict") else OF_FOLD
        words = ["part_of_stage", name, "--steps", STEPS, "--images", part, "--notes", notes_file]
        used = _run(list(map(str, words)), name, work)
        notes = json.loads(notes_file.read_text(encoding="utf-8"))
        images = sum(_images_of(name, work, size[1]))
        done = sum(min(part, count) for count in _images_of(name, work, size[1]))
    seconds = notes.get("seconds_of_work", used.seconds)
    written = [work / out for kind in ("outs", "metrics", "plots") for out in _names(description.get(kind, []))]
    grows = name in (*NETWORK, "report", "predict", "evaluate")
    return Stage(used.seconds - seconds, seconds, done, images, used.peak, usage.disk(*written), grows), notes


def _run(words: list[str], name: str, folder: Path) -> usage.Usage:
    """Run a stage, or a module of this folder with arguments, and print its time and memory."""
    print(f"full_scale: {name} …", end="", flush=True)
    module = f"tests.benchmarks.{words[0]}" if words else f"stages.{name}"
    home = ROOT if name == "drawing" else folder
    used = usage.measure([sys.executable, "-m", module, *words[1:]], home, folder / "printed.log")
    print(f" {used.seconds:,.0f} s, {used.peak / MEGABYTE:,.0f} MB", flush=True)
    return used


def _images_of(name: str, work: Path, test_images: int) -> list[int]:
    """Sizes of the folds, or of the test set, that a stage processes."""
    folds = _folds(work)
    if name in ("infer_test", "predict"):
        return [test_images]
    return {"train": folds[:1], "postprocess": folds[:1], "report": folds[-1:]}.get(name, [folds[0], folds[-1]])


def _training(stage: Stage, notes: dict[str, float], work: Path, options: Params) -> Training:
    """Time of the first training with the parameters of params.yaml."""
    folds = _folds(work)
    trained = sum(folds) - folds[0] - folds[-1]
    steps = projection.steps_an_epoch(trained, options["crops_per_image"], options["batch_size"])
    step, image = notes["seconds_a_step"], notes["seconds_an_image"]
    timed = EPOCHS * (min(STEPS, steps) * step + stage.done * image)
    return Training(max(0.0, stage.start + stage.work - timed), step, image, steps, folds[0], options["epochs"])


def _folds(work: Path) -> list[int]:
    folds = json.loads((work / "metrics/preprocess.json").read_text(encoding="utf-8"))["folds"]
    return [folds[f"fold_{number}"]["images"] for number in range(len(folds))]


def summarize(stages: dict[str, Stage], training: Training) -> dict[str, Any]:
    """The content of metrics/full_scale.json, without the GPU."""
    figures = {
        name: {
            "seconds": training.seconds if name == "train" else stage.seconds,
            "computed": int(name == "train" or not stage.whole),
            "images_run": stage.done,
            "images": stage.images,
            "peak_megabytes": stage.peak / MEGABYTE,
            "disk_megabytes": stage.full_disk / MEGABYTE,
        }
        for name, stage in stages.items()
    }
    return {
        "cores": os.cpu_count() or 1,
        "stages": figures,
        "training": {
            "seconds_a_step": training.step,
            "seconds_an_image": training.image,
            "steps_an_epoch": training.steps,
            "validation_images": training.validation,
            "epochs": training.epochs,
        },
    }


def report(metrics: dict[str, Any]) -> None:
    """Print the table, with computed figures in brackets."""
    gpu = metrics.get("gpu", {}).get("stages", {})
    print(f"\n{'stage':14}{'seconds':>12}{'with a GPU' if gpu else '':>12}{'peak MB':>10}{'disk MB':>11}")
    for name, figures in metrics["stages"].items():
        seconds = format_figure(figures["seconds"], figures["computed"])
        faster = (format_figure(gpu[name], 1) if name in gpu else seconds) if gpu else ""
        disk = format_figure(figures["disk_megabytes"], figures["computed"] and name != "train")
        print(f"{name:14}{seconds:>12}{faster:>12}{figures['peak_megabytes']:>10,.0f}{disk:>11}")
    training, text = metrics["training"], "{epochs} epochs of {steps_an_epoch:,} steps ({seconds_a_step:.3f} s each)"
    text += " and {validation_images:,} images of validation ({seconds_an_image:.3f} s each)"
    print(f"train: {text.format(**training)}; both times measured")
    print("(…): extrapolated from some of the images or steps")
    if gpu:
        print(
            f"with a GPU: computed from {metrics['gpu']['seconds_a_step']} s a step and "
            f"{metrics['gpu']['seconds_an_image']} s an image, as given; everything else was measured here"
        )


def format_figure(value: float, computed: int) -> str:
    """A figure, in brackets if it was computed."""
    return f"({value:,.0f})" if computed else f"{value:,.0f}"


def _names(entries: list[str | dict[str, Any]]) -> list[str]:
    """Paths of the outputs of one kind, which dvc.yaml lists with or without properties."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def _params(folder: Path) -> Params:
    params: Params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    return params


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.full_scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, required=True, help="where there is room; emptied at the end")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--test-images", type=int, default=TEST_IMAGES)
    parser.add_argument(
        "--gpu", type=float, nargs=2, metavar=("STEP", "IMAGE"), help="seconds of a GPU per training step and per image"
    )
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"--folder: expected a folder, found none at {options.folder}")
    if options.images < LEAST or options.test_images < 1:
        parser.error(f"expected --images from {LEAST} and --test-images from 1")
    return options


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"full_scale: {' '.join(error.cmd)}: exit status {error.returncode}; its last output is above")
