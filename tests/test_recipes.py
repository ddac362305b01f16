"""Every recipe on a small archive of its competition's form: from the archive to a submission.

The submission is scored here by a few lines that follow the competition's own description of its form and share no code
with the project. `python -m stages score` has to find the same.
"""

import csv
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.pipeline.arrays import Bool
from tests.support import competitions, repository
from tests.support.competitions import MAKERS, Archive

pytestmark = [pytest.mark.slow, pytest.mark.prove]

# Small enough for a minute: few crops, a narrow decoder, one fold.
REDUCED = [
    "train.epochs=2", "train.crops_per_image=2", "train.crop_height=96", "train.crop_width=96", "train.batch_size=4",
    "train.decoder_filters=[16,16,8,8,8]", "train.downscale=2", "train.backbone=resnet18", "train.encoder_weights=null",
    "train.folds=[0]",
    "preprocess.folds=3", "inference.flips=false", "inference.engine=openvino", "train.full_size_epochs=0",
    "train.warmup_epochs=0", "train.average_best=1", "train.final=null", "train.learning_rate=0.01",
]  # fmt: skip

Rows = list[dict[str, str]]
Masks = dict[tuple[str, str], Bool]


def absolute(text: str, size: tuple[int, int], order: str = "F") -> Bool:
    """Pairs of start, from 1, and length."""
    flat = np.zeros(size[0] * size[1], np.bool_)
    numbers = [int(number) for number in text.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        flat[start - 1 : start - 1 + length] = True
    return flat.reshape(size, order=order)  # type: ignore[call-overload]


def from_the_end_before(text: str, size: tuple[int, int]) -> Bool:
    """Pairs of gap and length, column by column; -1 for none."""
    flat, place = np.zeros(size[0] * size[1], np.bool_), 0
    numbers = [] if text == "-1" else [int(number) for number in text.split()]
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        place += gap
        flat[place : place + length] = True
        place += length
    return flat.reshape(size, order="F")


def severstal(row: dict[str, str]) -> tuple[str, str, str]:
    """Image, class and runs of a row."""
    return row["ImageId"], row["ClassId"], row["EncodedPixels"] if row["ClassId"] != "0" else ""


def pair(column: str) -> Callable[[dict[str, str]], tuple[str, str, str]]:
    """The same where one column holds image and class."""
    return lambda row: (*row[column].rsplit("_", 1), row["EncodedPixels"])  # type: ignore[return-value]


def single(image: str, column: str) -> Callable[[dict[str, str]], tuple[str, str, str]]:
    """The same for a single class."""
    return lambda row: (row[image], "", row[column])


READERS: dict[str, Callable[[dict[str, str]], tuple[str, str, str]]] = {
    "severstal": severstal,
    "severstal-laptop": severstal,
    "steel-900": pair("ImageId_ClassId"),
    "magnetic-tiles": pair("ImageId_ClassId"),
    "understanding-clouds": pair("Image_Label"),
    "airbus-ships": single("ImageId", "EncodedPixels"),
    "tgs-salt": single("id", "rle_mask"),
    "carvana": single("img", "rle_mask"),
    "siim-pneumothorax": single("ImageId", "EncodedPixels"),
    "uw-madison": lambda row: (row["id"], row["class"], row["predicted"]),
    "hubmap-hpa": single("id", "rle"),
}


def drawn(name: str, text: str, size: tuple[int, int]) -> Bool:
    """A mask in the notation of a competition."""
    if name == "siim-pneumothorax":
        return from_the_end_before(text, size)
    return absolute(text, size, "C" if name in ("carvana", "uw-madison") else "F")


def sent(name: str, path: Path, truth: Masks) -> Masks:
    """The masks of a submission; rows of one image and class are joined."""
    found: Masks = {key: np.zeros_like(mask) for key, mask in truth.items()}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            image, label, text = READERS[name](row)
            if text:
                found[image, label] |= drawn(name, text, truth[image, label].shape)
    return found


def mean_dice(found: Masks, truth: Masks, empty: float) -> float:
    """Mean over all pairs of image and class."""
    values = []
    for key, true in truth.items():
        total = int(true.sum()) + int(found[key].sum())
        values.append(2 * int((true & found[key]).sum()) / total if total else empty)
    return sum(values) / len(values)


def iou_thresholds(found: Masks, truth: Masks) -> float:
    """Mean over images of the share of the thresholds 0.5, 0.55, …, 0.95 that the IoU exceeds."""
    values: list[float] = []
    for key, true in truth.items():
        union = int((true | found[key]).sum())
        iou = int((true & found[key]).sum()) / union if union else 1.0
        values.append(sum(iou > 0.5 + 0.05 * step + 1e-12 for step in range(10)) / 10 if union else 1.0)
    return sum(values) / len(values)


def project(folder: Path, name: str, archive: Path, *changes: str) -> Path:
    """A repository in which the recipe has been applied, reduced and changed, and the pipeline has run."""
    folder.mkdir()
    repository.start(folder)
    command = ["recipe", name, "--source", str(archive), "--set", *REDUCED, *changes]
    repository.call(folder, sys.executable, "-m", "stages", *command)
    printed = repository.call(folder, "dvc", "repro")
    assert "Traceback" not in printed
    return folder


def unzipped(content: Path, folder: Path) -> None:
    """Unpack an archive and the zips in it."""
    with zipfile.ZipFile(content) as whole:
        whole.extractall(folder)
    for inner in list(folder.glob("*.zip")):
        with zipfile.ZipFile(inner) as part:
            part.extractall(folder)


def run_notebook(folder: Path, archive: Archive, scratch: Path) -> Path:
    """Run the notebook where the hidden test images are there."""
    competition = scratch / "input/competition"
    unzipped(archive.path, competition)
    for file in sorted((competition / "hidden").rglob("*.png")):
        target = competition / file.relative_to(competition / "hidden")
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    shutil.copytree(folder / "data/kernel/dataset", scratch / "input/model")
    environment = os.environ | {"MOUNTED": str(scratch / "input"), "PYTHONPATH": ""}
    script = folder / "data/kernel/submission.py"
    result = subprocess.run([sys.executable, str(script)], cwd=scratch, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return scratch / "submission.csv"


def without_hidden(archive: Archive, folder: Path) -> Path:
    """The same archive as Kaggle mounts it for everyone."""
    path = folder / "public.zip"
    path.write_bytes(
        competitions.zipped({name: raw for name, raw in archive.files.items() if not name.startswith("hidden/")})
    )
    return path


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_recipe_from_the_archive_to_the_score(name: str, tmp_path: Path) -> None:
    """The submission has the competition's form, and `score` says what the competition's description gives."""
    archive = MAKERS[name](tmp_path, np.random.default_rng(5))
    folder = project(tmp_path / "project", name, archive.path)
    submission = folder / "data/submission.csv"
    if name == "uw-madison":
        assert submission.read_text() == "id,class,predicted\n"
        hidden = run_notebook(folder, replace(archive, path=without_hidden(archive, tmp_path)), tmp_path / "hidden")
        assert hidden.read_text() == "id,class,predicted\n"
        submission = run_notebook(folder, archive, tmp_path)
        unzipped_tests = defaultdict(list)
        for file, raw in archive.files.items():
            if found := re.fullmatch(r"hidden/test/case\d+/(case\d+_day\d+)/scans/(slice_\d+)_.*\.png", file):
                unzipped_tests["_".join(found.groups())].append(raw)
        for image, (raw,) in unzipped_tests.items():
            (folder / f"data/raw/test_images/{image}.png").write_bytes(raw)
    masks = sent(name, submission, archive.truth)
    truth = tmp_path / "truth.csv"
    with truth.open("w", newline="") as table:
        csv.writer(table).writerows(archive.truth_rows)
    printed = repository.call(folder, sys.executable, "-m", "stages", "score", str(submission), str(truth))
    title = {
        "tgs-salt": "score (iou_thresholds)",
        "uw-madison": "score (mean_dice, empty 0)",
        "hubmap-hpa": "score (mean_dice, classes joined)",
    }
    line = next(line for line in printed.splitlines() if line.startswith(title.get(name, "mean Dice (the score)")))
    own = iou_thresholds(masks, archive.truth) if name == "tgs-salt" else None
    expected = mean_dice(masks, archive.truth, 0.0 if name == "uw-madison" else 1.0) if own is None else own
    assert float(line.split()[-1]) == pytest.approx(expected, abs=6e-5)
    assert any(mask.any() for mask in masks.values()), "no mask was sent: the test shows nothing"


def test_images_cut_into_tiles(tmp_path: Path) -> None:
    """Images of 320×480 in tiles of 160: masks of full size are sent, and the notebook draws the same ones."""
    archive = MAKERS["carvana"](tmp_path, np.random.default_rng(5))
    changes = ["images.sizes=tiled", "image_height=160", "image_width=160", "submission={height: null, width: null}"]
    folder = project(tmp_path / "project", "carvana", archive.path, *(f"competition.{change}" for change in changes))
    assert (folder / "metrics/evaluation.json").is_file()
    masks = sent("carvana", folder / "data/submission.csv", archive.truth)
    assert mean_dice(masks, archive.truth, 1.0) > 0.5
    of_notebook = sent("carvana", run_notebook(folder, archive, tmp_path), archive.truth)
    for key, mask in masks.items():  # OpenVINO here, TensorFlow in the notebook
        assert (mask != of_notebook[key]).mean() < 1e-3


TILES = {"MT_Blowhole": "1", "MT_Break": "2", "MT_Crack": "3", "MT_Fray": "4", "MT_Uneven": "5", "MT_Free": None}


def draw_tiles(folder: Path) -> Masks:
    """Magnetic tiles as they lie: a folder per class, photograph and label of one name, every one of another size."""
    rng = np.random.default_rng(5)
    truth: Masks = {}
    for number in range(48):
        kind, class_id = list(TILES.items())[number % len(TILES)]
        size = int(rng.integers(150, 330)), int(rng.integers(110, 330))
        picture, label = rng.normal(90, 10, size), np.zeros(size, np.uint8)
        if class_id:
            label[size[0] // 4 : size[0] * 3 // 4, size[1] // 3 : size[1] * 2 // 3] = 255
            picture[label > 0] += 20 * int(class_id)
        name = f"exp{number % 6}_num_{1000 + number}"
        (folder / kind / "Imgs").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / kind / f"Imgs/{name}.jpg"), np.clip(picture, 0, 255).astype(np.uint8))
        cv2.imwrite(str(folder / kind / f"Imgs/{name}.png"), label)
        truth |= {(f"{name}.jpg", each): (label > 0) & (each == class_id) for each in "12345"}
    return truth


def test_magnetic_tiles_from_the_folder(tmp_path: Path) -> None:
    """The command of docs/own-images.md, the recipe on what it writes, and a score by the labels that were drawn."""
    truth = draw_tiles(tmp_path / "Magnetic-Tile-Defect")
    command = Path("docs/own-images.md").read_text().partition("convert tiles.zip")[2].partition("```")[0]
    words = command.replace("\\\n", " ").replace("Magnetic-Tile-Defect", str(tmp_path / "Magnetic-Tile-Defect")).split()
    archive = tmp_path / "tiles.zip"
    repository.call(Path.cwd(), sys.executable, "-m", "stages", "convert", str(archive), *words)
    folder = project(tmp_path / "project", "magnetic-tiles", archive)
    tests = {path.name for path in (folder / "data/raw/test_images").iterdir()}
    expected = {key: mask for key, mask in truth.items() if key[0] in tests}
    assert len(expected) == 5 * len(tests) >= 35
    masks = sent("magnetic-tiles", folder / "data/submission.csv", expected)
    assert any(mask.any() for mask in masks.values()), "no mask was sent: the test shows nothing"
    true_masks = str(tmp_path / "tiles.test-masks.csv")
    printed = repository.call(
        folder, sys.executable, "-m", "stages", "score", str(folder / "data/submission.csv"), true_masks
    )
    line = next(line for line in printed.splitlines() if line.startswith("mean Dice (the score)"))
    assert float(line.split()[-1]) == pytest.approx(mean_dice(masks, expected, 1.0), abs=6e-5)


def test_every_competition_has_a_maker() -> None:
    """Recipes that are not tested here say why in this list."""
    names = {path.stem for path in Path("recipes").glob("*.yaml")}
    others = {"sample", "quick", "magnetic-tiles"}  # the pipeline's own tests, tests/test_lesson.py, and the test above
    assert names - others == set(competitions.MAKERS)
