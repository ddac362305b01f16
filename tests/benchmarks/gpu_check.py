"""What a GPU does with the recipe `severstal`: training, loader, inference, memory, and a whole run projected.

    make gpu-check
    python -m tests.benchmarks.gpu_check --tiny --output FILE    # every part on the CPU, with figures that mean nothing

Draws as many images as 40 seconds allow, in the competition's size, and measures for at most six minutes. What fails,
or has no time left, stands in the file with its reason. Writes metrics/gpu.json and prints it as
`python -m docs.tables gpu` does.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from docs import tables
from stages import preprocess
from stages.dataset import rle
from stages.inference import gpus
from stages.pipeline import cli, outputs, recipes, settings
from stages.pipeline.cli import UserError
from tests.benchmarks import gpu_parts, large_set, projection, samples
from tests.benchmarks.gpu_steps import Figures, Kind, Place
from tests.benchmarks.gpu_worker import Part, measure
from tests.benchmarks.samples import ROOT

OUTPUT = ROOT / "metrics/gpu.json"
RECIPE = "severstal"
IMAGES = 12_568  # of the competition
TINY = (24, 64, 128)  # images, height, width
SECONDS = 340  # for everything
DRAWING = 40  # of these for drawing the images
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")  # the recipe's last, since the parts after it use it too


def _trainings(name: str, seconds: float, group: str = "", **kind: bool) -> list[Part]:
    """A training step in each precision."""
    return [
        Part(f"{name}.{precision}", gpu_parts.training, "seconds_per_step", seconds, group,
             {"kind": Kind(precision, **kind)})
        for precision in PRECISIONS
    ]  # fmt: skip


DEVICE = Part("device", gpu_parts.device, "name")
PARTS = [
    *_trainings("training", 40),
    Part("loader", gpu_parts.loader, "crops_per_second", 50),
    Part("epoch", gpu_parts.epoch, "seconds_per_step", 70),
    Part("one_device_strategy", gpu_parts.one_device_strategy, "seconds_per_step", 60),
    *(
        Part(f"inference.{name}", gpu_parts.inference, "images_per_second", 30, arguments={"number": number})
        for number, name in enumerate(("batch_of_the_recipe", "twice_as_large", "four_times_as_large"))
    ),
    # A worker of its own: the export starts another process.
    Part("around", gpu_parts.around, "seconds_to_start", 60, "around"),
    *_trainings("training_not_deterministic", 30, "not deterministic", deterministic=False),
    # XLA refuses to compile the gradient of max pooling when determinism is asked for.
    *_trainings("training_xla", 60, "not deterministic", deterministic=False, xla=True),
]


def parts(tiny: bool) -> list[Part]:
    """All parts; with tiny sizes, what differs from another one by its precision alone is done once."""
    return [part for part in PARTS if not tiny or not part.group or part.name.endswith((".float32", "around"))]


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, on the CPU if there is no GPU")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FILE", help="default: metrics/gpu.json")
    given = parser.parse_args(arguments)
    if given.tiny and given.output == OUTPUT:
        parser.error("--tiny: expected --output FILE with it, since its figures mean nothing")
    cli.guard("gpu-check", lambda: check(given.output, given.tiny))


def check(output: Path, tiny: bool = False) -> None:
    """Measure everything, write the figures and print them.

    Raises:
        UserError: there is no GPU that TensorFlow can use.
    """
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu_check.") as temporary:
        place = Place(Path(temporary), tiny)
        options = recipe(place)
        figures: Figures = {}
        for part, found in measure([DEVICE], place, begin + 120):
            figures |= {part.name: found}
        refuse_without_gpu(figures["device"], tiny)
        print(f"gpu-check: {figures['device'].get('name') or 'on the CPU'}; drawing images …", flush=True)
        images = _draw(place)
        print(f"gpu-check: {images:,} images drawn after {time.monotonic() - begin:.0f} s", flush=True)
        for part, found in measure(parts(tiny), place, begin + SECONDS):
            _put(figures, part.name.split("."), found)
            said = found.get("reason") or f"{part.figure} {found[part.figure]:.4g}"
            print(f"gpu-check: {part.name}: {said}", flush=True)
    figures["projection"] = projected(figures, options)
    figures["seconds"] = time.monotonic() - begin
    outputs.write_metrics(output, figures)
    print(f"\n{tables.gpu(output)}")


def refuse_without_gpu(device: Figures, tiny: bool) -> None:
    """See that TensorFlow has a GPU.

    Raises:
        UserError: it has none.
    """
    if "reason" in device:
        raise UserError(f"expected that TensorFlow starts, found that it does not: {device['reason']}")
    if not device["gpus"] and not tiny:
        raise UserError(
            "expected a GPU that TensorFlow can use, found none "
            + (gpus.unused(0) or "(and the system shows no NVIDIA card): make GPU=1 installs what a GPU needs")
        )


def recipe(place: Place) -> settings.Settings:
    """Write the recipe's params.yaml into the folder."""
    path = place.folder / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    files = [ROOT / recipes.BASE, ROOT / recipes.FOLDER / f"{RECIPE}.yaml"]
    chosen = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    if place.tiny:
        chosen.append({"competition": {"image_height": TINY[1], "image_width": TINY[2]}})
    recipes.apply(chosen, path)
    with samples.inside(place.folder) as options:
        return options


def _draw(place: Place) -> int:
    """Draw and prepare as many images as the time allows; returns how many."""
    images, raw = TINY[0], place.folder / "data/raw"
    if place.tiny:
        _draw_noise(raw)
    else:
        begin, few = time.monotonic(), 200
        large_set.draw(place.folder / "few", few, 1, strips=27)
        shutil.rmtree(place.folder / "few")
        images = min(IMAGES, max(few, int(few * (DRAWING / 2) / (time.monotonic() - begin))))
        large_set.draw(raw, images, 1, strips=100)
    with samples.inside(place.folder):
        preprocess.preprocess()
    return images


def _draw_noise(folder: Path) -> None:
    """Images of `TINY`: noise, each with a square of one class."""
    count, height, width = TINY
    for name in ("train_images", "test_images"):
        (folder / name).mkdir(parents=True)
    (folder / "sample_submission.csv").write_text("ImageId,EncodedPixels,ClassId\ntest.jpg,1 1,0\n", encoding="utf-8")
    rows, rng = ["ImageId,ClassId,EncodedPixels"], np.random.default_rng(0)
    for number in range(count + 1):
        grey, mask = rng.integers(0, 256, (height, width), np.uint8), np.zeros((height, width), bool)
        mask[8:24, 16:32] = True
        if number == count:
            cv2.imwrite(str(folder / "test_images/test.jpg"), grey)
            break
        cv2.imwrite(str(folder / f"train_images/{number:02}.jpg"), grey)
        rows.append(f"{number:02}.jpg,{1 + number % 4},{rle.encode(mask)}")
    (folder / "train.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _put(figures: Figures, names: list[str], found: Figures) -> None:
    for name in names[:-1]:
        figures = figures.setdefault(name, {})
    figures[names[-1]] = found


def projected(figures: Figures, options: settings.Settings) -> dict[str, Any]:
    """The time of the recipe's training on all images of the competition, from the epoch and what is around it."""
    epoch, around = figures["epoch"], figures["around"]
    for part in (epoch, around):
        if "reason" in part:
            return {"hours": None, "reason": part["reason"]}
    train, folds = options.train, options.preprocess.folds
    fold = IMAGES // folds
    steps = projection.steps_an_epoch(IMAGES - 2 * fold, train.crops_per_image, train.batch_size)
    once = around["seconds_to_start"] + around["seconds_to_export"]
    seconds = projection.Training(
        start=once + train.epochs * around["seconds_between_epochs"],
        step=epoch["seconds_per_step"],
        image=epoch["seconds_per_validation_image"],
        steps=steps,
        validation=fold,
        epochs=train.epochs,
    ).seconds
    return {
        "hours": len(train.folds) * seconds / 3600,
        "seconds_per_epoch": (seconds - once) / train.epochs,
        "images": IMAGES,
        "networks": len(train.folds),
        "epochs": train.epochs,
        "steps_of_an_epoch": steps,
    }


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
