"""One representation inside: the same masks in the forms of several competitions are the same once prepared."""

import csv
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages import preprocess
from stages.dataset.prepared import Dataset
from stages.pipeline.cli import UserError
from tests.support.competitions import relative, runs

ROOT = Path(__file__).parents[2]
SIZE = (32, 48)
IMAGES = [f"image_{number}" for number in range(6)]


def mask(number: int) -> np.ndarray:
    """A box in each image but the last."""
    drawn = np.zeros(SIZE, np.bool_)
    if number < 5:
        drawn[4 + number : 14 + number, 8 : 20 + number] = True
    return drawn


def written(folder: Path, header: list[str], rows: list[list[str]], suffix: str = ".png") -> None:
    """Images of noise and a table in data/raw."""
    for part in ("train_images", "test_images"):
        (folder / "data/raw" / part).mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(IMAGES):
        noise = np.random.default_rng(number).integers(0, 256, SIZE, dtype=np.uint8)
        cv2.imwrite(str(folder / f"data/raw/train_images/{image}{suffix}"), noise)
    cv2.imwrite(str(folder / f"data/raw/test_images/test{suffix}"), np.zeros(SIZE, np.uint8))
    for name, lines in (("train.csv", [header, *rows]), ("sample_submission.csv", [header[:2], ["test", ""]])):
        with (folder / "data/raw" / name).open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(lines)


def prepared(folder: Path, competition: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """What preprocess makes of it, with these changes of the section `competition`."""
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parameters["preprocess"]["folds"] = 3
    section = parameters["competition"]
    section |= {"image_height": SIZE[0], "image_width": SIZE[1], "classes": ["pit"]}
    section["columns"] |= {"image": "id", "class_id": None, "image_and_class": None, "runs": "rle"}
    section["submission"]["rows"] = "images"
    for key, value in competition.items():
        section[key] |= value
    (folder / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    monkeypatch.chdir(folder)
    preprocess.preprocess()
    return Dataset(Path("data/prepared"))


def halves(drawn: np.ndarray) -> list[np.ndarray]:
    """A mask in two rows of the table."""
    upper = drawn.copy()
    upper[8:] = False
    return [upper, drawn & ~upper]


FORMS: dict[str, tuple[list[list[str]], dict[str, Any], str]] = {
    "column by column, ids with extension": (
        [[f"{image}.png", runs(mask(number))] for number, image in enumerate(IMAGES)], {}, ".png"
    ),
    "row by row": (
        [[image, runs(mask(number), "C")] for number, image in enumerate(IMAGES)],
        {"run_lengths": {"order": "rows"}}, ".png",
    ),
    "from 0, row by row, as TIFF": (
        [[image, runs(mask(number), "C", 0)] for number, image in enumerate(IMAGES)],
        {"run_lengths": {"order": "rows", "first_pixel": 0}}, ".tiff",
    ),
    "relative, -1 for none": (
        [[image, relative(mask(number)) or "-1"] for number, image in enumerate(IMAGES)],
        {"run_lengths": {"first_pixel": "relative", "empty": ["-1"]}}, ".png",
    ),
    "a row per object": (
        [[image, runs(half)] for number, image in enumerate(IMAGES) for half in halves(mask(number))],
        {"columns": {"instances": True}}, ".bmp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_same_masks_in_any_form(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Label maps and truth are those that were drawn."""
    rows, competition, suffix = FORMS[form]
    written(tmp_path, ["id", "rle", "organ"], [[*row, "x"] for row in rows], suffix)
    data = prepared(tmp_path, competition, monkeypatch)
    assert len(data.index) == 6
    for number, sample in enumerate(data.index):
        np.testing.assert_array_equal(data.labels[sample.position], mask(number))
        np.testing.assert_array_equal(data.truth(sample), mask(number))


def test_masks_in_the_wrong_order_stop_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written row by row and read column by column: refused, and nothing is left."""
    rows = [[image, runs(mask(number), "C")] for number, image in enumerate(IMAGES)]
    written(tmp_path, ["id", "rle"], rows)
    with pytest.raises(
        UserError, match=r"masks look misread: 5 masks fall into .* set competition\.run_lengths\.order to"
    ):
        prepared(tmp_path, {}, monkeypatch)
    assert not Path("data/prepared").exists()


def test_tiles_hold_every_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into tiles of 16×16, images and masks come back whole, and pixels of tiles are counted tile by tile."""
    rows = [[image, runs(mask(number)), "x"] for number, image in enumerate(IMAGES)]
    written(tmp_path, ["id", "rle", "organ"], rows)
    monkeypatch.setattr(sys.modules[__name__], "SIZE", (16, 16))
    data = prepared(tmp_path, {"images": {"sizes": "tiled"}}, monkeypatch)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    tiles = data.tiles(data.index)
    assert (len(data.index), len(data.images), len(tiles)) == (6, 6 * 3 * 4, 6 * 3 * 4)
    assert data.area(data.index) == 6 * 32 * 48
    for number, sample in enumerate(data.index):
        noise = np.random.default_rng(number).integers(0, 256, SIZE, dtype=np.uint8)
        for found in (data.image(sample), data.picture(sample)):
            np.testing.assert_array_equal(found, noise)
        for found in (data.label_map(sample), data.truth(sample)):
            np.testing.assert_array_equal(found, mask(number))
        assert sample.pixels == (mask(number).sum(),)
    for tile in tiles:
        assert data.images[tile.position].shape == (16, 16)
        assert tile.pixels == (int((data.labels[tile.position] > 0).sum()),)
        assert (tile.image, tile.fold) == (tiles[tile.position].image, data.index[tile.position // 12].fold)
