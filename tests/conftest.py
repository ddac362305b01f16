"""What several tests share: the real data, a tiny competition drawn by hand, and what is printed when a run ends."""

import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import integrity, rle
from stages.dataset.layout import Layout
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SUMMARY, Dataset, ImageStore
from stages.dataset.true_masks import TrueMasksWriter
from stages.inference import tensorflow_start
from tests.support import browser

ROOT = Path(__file__).parents[1]

# The tiny competition: 12 training images of 32×64 pixels in four classes, and 3 test images.
# For each image, ClassId and the rectangle (top, bottom, left, right) that it fills; bottom and right are exclusive.
RECTANGLES: dict[str, list[tuple[int, tuple[int, int, int, int]]]] = {
    "train_00.jpg": [(1, (0, 4, 0, 4))],  # touches the first pixel
    "train_01.jpg": [(1, (10, 20, 5, 9))],
    "train_02.jpg": [(2, (28, 32, 60, 64))],  # touches the last pixel
    "train_03.jpg": [(2, (3, 5, 30, 50))],
    "train_04.jpg": [(3, (8, 24, 8, 40))],
    "train_05.jpg": [(3, (0, 32, 10, 12))],  # whole columns: one run
    "train_06.jpg": [(3, (1, 31, 1, 63))],
    "train_07.jpg": [(3, (2, 12, 2, 12)), (4, (14, 30, 20, 60))],  # two classes
    "train_08.jpg": [(4, (5, 25, 33, 50))],
    "train_09.jpg": [],
    "train_10.jpg": [],
    "train_11.jpg": [],
}


# The competition's rules forbid shipping its images, so they lie outside the repository.
REAL_DATA_FOLDER = Path(os.environ.get("REAL_DATA_FOLDER") or ROOT.parent / "shared/data")
NO_REAL_DATA = f"no real data in {REAL_DATA_FOLDER}"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data. Tests that use it are skipped without it; REAL_DATA=required makes them fail instead."""
    if not REAL_DATA_FOLDER.is_dir():
        pytest.fail(NO_REAL_DATA) if os.environ.get("REAL_DATA") == "required" else pytest.skip(NO_REAL_DATA)
    return REAL_DATA_FOLDER


# The slowest files, slowest first. They are started first, so that no process ends with one of them while others wait.
SLOWEST = (
    "test_pipeline.py",
    "test_fit.py",
    "test_faults.py",
    "test_submit.py",
    "test_real_steel.py",
    "test_kernel.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the slowest files first; all others keep their order."""
    rank = {name: number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end of a run how many tests were skipped for want of real data or of a browser, and why."""
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for reason, advice in (
        (NO_REAL_DATA, "REAL_DATA_FOLDER=PATH names another folder; REAL_DATA=required makes this a failure"),
        (browser.missing(), "CHROMIUM=required makes this a failure"),
    ):
        if reason and (count := sum(reason in each for each in skipped)):
            tests = "test was" if count == 1 else "tests were"
            terminalreporter.write_line(f"{count} {tests} skipped: {reason} ({advice})")


@pytest.fixture(autouse=True)
def _tensorflow_is_started(request: pytest.FixtureRequest) -> None:
    """Set TensorFlow's switches before a test that imports it, as the stages do."""
    if request.node.get_closest_marker("slow"):
        tensorflow_start.start(training=True)


HEIGHT, WIDTH, FOLDS, CLASSES = 40, 72, 3, ["bright", "dark"]


@pytest.fixture
def prepared(tmp_path: Path) -> Dataset:
    """12 noisy images of 40×72: a bright square is class 1, a dark one class 2; every fourth image has no defect."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    images, labels = (ImageStore.create(folder / name, 12, HEIGHT, WIDTH) for name in (IMAGES, LABELS))
    rows, true_masks = [], TrueMasksWriter(folder)
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
        true_masks.add(number, [(class_id, rle.runs(label_map == class_id))] if class_id else [])
        areas = ((label_map == k).sum() for k in (1, 2))
        rows.append([f"{number}.png", number % FOLDS, number, HEIGHT, WIDTH, *areas])
    true_masks.close()
    header = ["image", "fold", "group", "height", "width", *(f"pixels_{name}" for name in CLASSES)]
    with (folder / INDEX).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    layout = Layout(tuple(CLASSES), HEIGHT, WIDTH).to_json()
    checksums = integrity.of_files(folder, [INDEX])
    summary = {"layout": layout, "folds": FOLDS, "digest": "drawn", integrity.KEY: checksums}
    (folder / SUMMARY).write_text(json.dumps(summary))
    return Dataset(folder)


@pytest.fixture
def competition_folder(tmp_path: Path) -> Path:
    """A complete competition in the current layout: images of noise, no near-duplicates, masks as in `RECTANGLES`."""
    return draw_competition(tmp_path / "competition")


def draw_competition(folder: Path) -> Path:
    """Draw it into a new folder, with the same bytes each time."""
    rng = np.random.default_rng(3)  # with this seed no two of these small images correlate by chance
    for name in (*RECTANGLES, "test_0.jpg", "test_1.jpg", "test_2.jpg"):
        path = folder / ("train_images" if name in RECTANGLES else "test_images") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = rng.integers(0, 256, (32, 64), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.merge([grey, grey, grey]))
    masks = [f"{name},{class_id},{_runs(*box)}\n" for name, boxes in RECTANGLES.items() for class_id, box in boxes]
    (folder / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n" + "".join(masks), encoding="utf-8")
    filler = [f"test_{number}.jpg,1 2048,0\n" for number in range(3)]
    (folder / "sample_submission.csv").write_text("ImageId,EncodedPixels,ClassId\n" + "".join(filler), encoding="utf-8")
    return folder


def _runs(top: int, bottom: int, left: int, right: int) -> str:
    """Run lengths of a rectangle in an image of height 32, computed without the code under test."""
    if bottom - top == 32:
        return f"{left * 32 + 1} {(right - left) * 32}"
    return " ".join(f"{column * 32 + top + 1} {bottom - top}" for column in range(left, right))
