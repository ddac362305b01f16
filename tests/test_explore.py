"""The explore stage from end to end, on small hand-made images and on real ones."""

import gzip
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages.explore import explore
from stages.pipeline.cli import UserError

PARAMS = Path(__file__).parents[1] / "params.yaml"
TABLE = "ImageId,ClassId,EncodedPixels\na.png,1,1 40\na.png,2,2001 300\nb.png,2,100 1000\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, made the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    return tmp_path


def write_params(project: Path, height: int, width: int, classes: list[str]) -> None:
    """Write params.yaml for images of one size and some classes."""
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    content["competition"] |= {"image_height": height, "image_width": width, "classes": classes}
    content["train"]["class_weights"] = None
    (project / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def write_data(
    project: Path,
    table: str = TABLE,
    images: tuple[str, ...] = ("a.png", "b.png", "clean.png"),
    shape: tuple[int, int] = (40, 60),
) -> None:
    """Write params.yaml, train.csv and even grey images of 40×60 pixels."""
    write_params(project, 40, 60, ["pit", "line", "stain"])
    (project / "data/raw/train.csv").write_text(table, encoding="utf-8")
    for name in images:
        (project / "data/raw/train_images").mkdir(exist_ok=True)
        cv2.imwrite(str(project / "data/raw/train_images" / name), np.full(shape, 90, dtype=np.uint8))


def outputs(project: Path) -> dict[str, bytes]:
    """Names and bytes of all that lies under metrics/."""
    files = sorted(path for path in (project / "metrics").rglob("*") if path.is_file())
    return {path.relative_to(project / "metrics").as_posix(): path.read_bytes() for path in files}


def leaves(tree: dict[str, Any]) -> Iterator[Any]:
    """All values of nested mappings."""
    for value in tree.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


def test_explore_writes_figures_and_pictures(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All pictures are there, readable, and the figures fit the table; a class without masks gets no sheet."""
    write_data(project)
    explore()
    written = outputs(project)
    sheets = {"examples_pit.jpg", "examples_line.jpg", "largest.jpg", "classes.png", "areas.png"}
    assert set(written) == {"explore.json"} | {f"explore/{name}" for name in sheets}
    for name in sheets:
        assert cv2.imread(str(project / "metrics/explore" / name)).shape[1] >= 600
    figures = json.loads(written["explore.json"])
    assert (figures["images"], figures["clean_images"], figures["masks"]) == (3, 1, 3)
    assert figures["classes"]["line"]["area"]["median"] == 650
    printed = capsys.readouterr().out
    assert "explore: 3 masks; 3 images, 1 without a mask" in printed
    assert (project / "data/explore.txt").read_text(encoding="utf-8") == printed


def test_metrics_hold_numbers_only(project: Path) -> None:
    """DVC drops lists without a word, and JSON knows no NaN: every leaf is a number or null, keys are sorted."""
    write_data(project)
    explore()
    text = (project / "metrics/explore.json").read_text(encoding="utf-8")
    figures = json.loads(text)
    assert all(leaf is None or (type(leaf) in (int, float) and np.isfinite(leaf)) for leaf in leaves(figures))
    assert text == json.dumps(figures, indent=2, sort_keys=True) + "\n"


def test_two_runs_write_the_same_bytes(project: Path) -> None:
    """Neither dates nor chance get into the outputs."""
    write_data(project)
    explore()
    first = outputs(project)
    explore()
    assert outputs(project) == first


def test_a_lone_table_gives_charts_and_says_what_is_left_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without images there are no sheets, clean images are unknown, and the stage says so."""
    write_data(project, images=())
    explore()
    assert set(outputs(project)) == {"explore.json", "explore/areas.png", "explore/classes.png"}
    printed = capsys.readouterr().out
    assert "no images in data/raw/train_images, so the pictures examples_*.jpg and largest.jpg are missing" in printed
    assert "lists no clean images, so their number" in printed


def test_a_table_without_masks_is_no_error(project: Path) -> None:
    """Nothing but clean images: empty charts, no sheets."""
    write_data(project, table="ImageId,ClassId,EncodedPixels\n")
    explore()
    assert set(outputs(project)) == {"explore.json", "explore/areas.png", "explore/classes.png"}


def test_missing_images_are_reported_and_left_out(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An image that the table lists and the disk lacks is counted; the others are drawn."""
    write_data(project, images=("b.png",))
    explore()
    printed = capsys.readouterr().out
    assert "1 of 2 images in data/raw/train.csv are not in data/raw/train_images and are missing in the" in printed
    assert "the first is a.png" in printed
    assert "explore/examples_line.jpg" in outputs(project)


def test_a_failure_leaves_earlier_outputs_alone(project: Path) -> None:
    """An image of the wrong size stops the stage; what was there before stays, and nothing half-made is left."""
    write_data(project)
    explore()
    first = outputs(project)
    write_data(project, shape=(40, 61))
    with pytest.raises(UserError, match=r"expected 40×60 pixels .*found 40×61"):
        explore()
    assert outputs(project) == first


def test_a_missing_table_is_reported(project: Path) -> None:
    """Without train.csv the message names it."""
    write_params(project, 40, 60, ["pit"])
    with pytest.raises(UserError, match=r"data/raw/train\.csv: expected a readable CSV file"):
        explore()


def test_254_classes_give_pictures_that_can_be_looked_at(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sheets, panels and bars of the most frequent classes, in seconds, and a sentence that says so."""
    write_data(project, images=("a.png",), table="")
    write_params(project, 40, 60, [f"a_rather_long_name_of_class_{number}" for number in range(1, 255)])
    rows = [f"a.png,{number},{9 * number} 9" for number in range(1, 255)]
    (project / "data/raw/train.csv").write_text("\n".join(["ImageId,ClassId,EncodedPixels", *rows]), encoding="utf-8")
    started = time.monotonic()
    explore()
    assert time.monotonic() - started < 60  # eight seconds on two cores; 254 panels would take many minutes
    assert "explore: pictures and charts show the 24 most frequent of 254 classes" in capsys.readouterr().out
    pictures = sorted((project / "metrics/explore").iterdir())
    assert len(pictures) == 24 + 3
    assert all(max(cv2.imread(str(picture)).shape) < 8000 for picture in pictures)
    assert len(json.loads((project / "metrics/explore.json").read_text(encoding="utf-8"))["classes"]) == 254


def test_real_images_of_another_competition(project: Path, real_data: Path) -> None:
    """Real 200×200 images with three classes: sheets stay under 1 MB and 240 masks a class are counted."""
    write_params(project, 200, 200, ["inclusion", "patches", "scratches"])
    with zipfile.ZipFile(real_data / "steel-900.zip") as archive:
        archive.extractall(project / "data/raw")
    explore()
    figures = json.loads((project / "metrics/explore.json").read_text(encoding="utf-8"))
    assert [figures["classes"][name]["masks"] for name in ("inclusion", "patches", "scratches")] == [240, 240, 240]
    assert figures["clean_images"] == 0
    assert max(map(len, outputs(project).values())) < 1_000_000


def test_the_real_annotations_alone(project: Path, real_data: Path) -> None:
    """The table of 5,159 real masks without images: charts only, number of images unknown."""
    write_params(project, 256, 1600, ["defect_1", "defect_2", "defect_3", "defect_4"])
    unpacked = gzip.decompress((real_data / "severstal-train-annotations.csv.gz").read_bytes())
    (project / "data/raw/train.csv").write_bytes(unpacked)
    explore()
    assert set(outputs(project)) == {"explore.json", "explore/areas.png", "explore/classes.png"}
    assert json.loads((project / "metrics/explore.json").read_text(encoding="utf-8"))["images"] is None
