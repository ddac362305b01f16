"""Data for benchmarks: the built-in sample. Images beyond the first 200 are shifted copies, which is faster."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from stages.dataset import rle
from stages.pipeline import settings
from stages.synthetic import generate

ROOT = Path(__file__).parents[2]
# The network of all rows, whatever params.yaml takes: so that they can be compared with those of earlier versions.
NETWORK = {"backbone": "resnet18", "encoder_weights": None, "downscale": 2, "decoder_filters": [128, 64, 32, 16, 16]}
DRAWN = 200  # further images are these, shifted by a different number of pixels each round, so no near-duplicates


def work_folder(folder: Path, images: int, **parameters: dict[str, Any]) -> Path:
    """A folder with a changed params.yaml, and data/raw with this many training images; made once."""
    target = folder / f"images_{images}"
    target.mkdir(parents=True, exist_ok=True)
    changed = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    changed["train"] |= NETWORK | {"batch_size": 4}
    for section, values in parameters.items():
        changed[section] |= values
    (target / "params.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    raw = target / "data/raw"
    if not (raw / ".whole").exists():
        raw.mkdir(parents=True, exist_ok=True)
        generate.generate(raw, min(images, DRAWN), 4, seed=42)
        _shift(raw, images)
        (raw / ".whole").touch()
    return target


def _shift(raw: Path, images: int) -> None:
    """Write the shifted copies and their masks."""
    names = sorted(path.name for path in (raw / "train_images").iterdir())
    with (raw / "train.csv").open(encoding="utf-8", newline="") as file:
        masks = [(row["ImageId"], row["ClassId"], row["EncodedPixels"]) for row in csv.DictReader(file)]
    further = []
    for number in range(DRAWN, images):
        name, columns = names[number % DRAWN], 52 * (number // DRAWN)
        image = cv2.imread(str(raw / "train_images" / name))
        new = f"{number:06d}_{name}"
        quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
        cv2.imwrite(str(raw / "train_images" / new), np.roll(image, columns, axis=1), quality)
        for image_name, class_id, runs in masks:
            if image_name == name:
                mask = np.roll(rle.decode(runs, generate.HEIGHT, generate.WIDTH), columns, axis=1)
                further.append((new, class_id, rle.encode(mask)))
    with (raw / "train.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(further)


@contextmanager
def inside(folder: Path) -> Iterator[settings.Settings]:
    """Work in a folder without printing; gives its parameters."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield settings.load()
    finally:
        os.chdir(before)
