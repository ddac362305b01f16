import csv
import json
from pathlib import Path

import numpy as np
import pytest

from stages import settings
from stages.competition.prepared import IMAGES, INDEX, LABELS, SUMMARY, Prepared, Stack

HEIGHT, WIDTH, FOLDS, CLASSES = 40, 72, 3, ["bright", "dark"]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    """12 noisy images of 40×72: a bright square is class 1, a dark one class 2, every fourth image is clean."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    images, labels = (Stack.create(folder / name, 12, HEIGHT, WIDTH) for name in (IMAGES, LABELS))
    rows = []
    for number in range(12):
        generator = np.random.default_rng(number)
        image = generator.integers(90, 110, (HEIGHT, WIDTH)).astype(np.uint8)
        label_map = np.zeros((HEIGHT, WIDTH), np.uint8)
        class_id = number % 4 if number % 4 < 3 else 1
        if class_id:
            top, left = generator.integers(0, (HEIGHT - 16, WIDTH - 16))
            label_map[top : top + 16, left : left + 16] = class_id
            image[label_map == class_id] = 220 if class_id == 1 else 10
        images[number], labels[number] = image, label_map
        rows.append([f"{number}.png", number % FOLDS, number, *((label_map == k).sum() for k in (1, 2))])
    with (folder / INDEX).open("w", newline="") as file:
        csv.writer(file).writerows([["image", "fold", "group", *(f"pixels_{name}" for name in CLASSES)], *rows])
    (folder / SUMMARY).write_text(json.dumps({"classes": CLASSES, "folds": FOLDS, "digest": "drawn"}))
    return Prepared(folder)


@pytest.fixture
def options() -> settings.Train:
    """The committed parameters, made small."""
    committed = settings.load(Path(__file__).parents[2] / "params.yaml").train
    small = {
        "decoder_filters": (16, 16, 8, 8, 8), "epochs": 3, "batch_size": 2, "crops_per_image": 2,
        "crop_height": 32, "crop_width": 32, "validation_batch_size": 2, "early_stopping_patience": 3,
    }  # fmt: skip
    return committed.model_copy(update=small)
