"""Own images of any size and kind, with labels in every form that convert reads."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages.dataset import rle
from stages.pipeline import cli

ROOT = Path(__file__).parents[2]
SIZES = {"a": (40, 60), "b": (50, 70), "c": (64, 48), "d": (44, 90)}
BOX = (slice(8, 20), slice(10, 30))  # rows and columns of the object in each image


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four JPEGs of noise, each of its own size, beside the project's params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    for number, (stem, size) in enumerate(SIZES.items()):
        noise = np.random.default_rng(number).integers(0, 250, size).astype(np.uint8)
        cv2.imwrite(f"images/{stem}.jpg", noise)
    Path("tests").mkdir()
    cv2.imwrite("tests/t.jpg", np.random.default_rng(9).integers(0, 250, (40, 60)).astype(np.uint8))
    return tmp_path


def run(*words: str) -> None:
    """The command with the four images and one unlabelled test image."""
    cli.run_command("convert", ["out", "--images", "images", "--test-images", "tests", *words])


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says when it ends with exit status 1."""
    with pytest.raises(SystemExit) as stopped:
        run(*words)
    capsys.readouterr()
    return str(stopped.value.code)


def box(size: tuple[int, int], value: Any = 255) -> np.ndarray:
    """A picture with the object in this value."""
    picture = np.zeros((*size, *np.shape(value)), np.uint8)
    picture[BOX] = value
    return picture


def rows() -> set[tuple[str, str, str]]:
    """What train.csv holds."""
    with Path("out/train.csv").open(newline="") as file:
        return {(row["ImageId"], row["ClassId"], row["EncodedPixels"]) for row in csv.DictReader(file)}


def expected(class_id: str = "1") -> set[tuple[str, str, str]]:
    """The object in each of the four images."""
    return {(f"{stem}.jpg", class_id, rle.encode(box(size))) for stem, size in SIZES.items()}


def recipe() -> dict[str, Any]:
    """The recipe's section `competition`."""
    content: dict[str, Any] = yaml.safe_load(Path("out.recipe.yaml").read_text())["competition"]
    return content


def test_sizes_may_differ(workplace: Path) -> None:
    """Run lengths are at each image's own size; the recipe gives networks a size near the median."""
    Path("labels").mkdir()
    for stem, size in SIZES.items():
        cv2.imwrite(f"labels/{stem}.png", box(size))
    run("--labels", "labels", "--class", "pit")
    assert rows() == expected()
    stated = recipe()
    assert (stated["classes"], stated["images"]["sizes"]) == (["pit"], "resized")
    assert (stated["image_height"], stated["image_width"]) == (32, 64)  # medians 47 and 65


def test_photograph_and_label_of_one_name_in_one_folder(workplace: Path) -> None:
    """As magnetic tiles lie: folders by class, JPEG and PNG beside each other, black labels of clean tiles."""
    shutil.rmtree("images")
    for folder, stem in (("MT_Crack", "a"), ("MT_Hole", "b"), ("MT_Free", "c")):
        Path("images", folder, "Imgs").mkdir(parents=True)
        noise = np.random.default_rng(ord(stem)).integers(0, 250, SIZES[stem]).astype(np.uint8)
        cv2.imwrite(f"images/{folder}/Imgs/{stem}.jpg", noise)
        label = np.zeros(SIZES[stem], np.uint8) if folder == "MT_Free" else box(SIZES[stem])
        cv2.imwrite(f"images/{folder}/Imgs/{stem}.png", label)
    run("--labels", "images", "--class-folders", "MT_Hole=hole", "MT_Crack=crack")
    assert rows() == {("a.jpg", "2", rle.encode(box(SIZES["a"]))), ("b.jpg", "1", rle.encode(box(SIZES["b"])))}
    assert recipe()["classes"] == ["hole", "crack"]
    assert sorted(path.name for path in Path("out/train_images").iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_mask_outside_of_the_folders_is_refused(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not named must hold black labels only."""
    for stem, size in SIZES.items():
        cv2.imwrite(f"images/{stem}.png", box(size))
    reported = refused(capsys, "--labels", "images", "--class-folders", "MT_Hole")
    assert "expected a black label outside of the folders MT_Hole (--class-folders), found a mask" in reported


def test_one_colour_per_class(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table gives the classes; another colour is refused with its code."""
    Path("labels").mkdir()
    for stem, size in SIZES.items():
        cv2.imwrite(f"labels/{stem}.png", box(size, (0, 0, 255)))  # OpenCV writes blue first
    Path("colours.csv").write_text("0,0,0,background\n0,255,0,pit\n#ff0000,line\n")
    run("--labels", "labels", "--colours", "colours.csv")
    assert (rows(), recipe()["classes"]) == (expected("2"), ["pit", "line"])
    cv2.imwrite("labels/a.png", box(SIZES["a"], (9, 0, 0)))
    reported = refused(capsys, "--labels", "labels", "--colours", "colours.csv", "--force")
    assert "labels/a.png: expected the colours of --colours, found #000009" in reported


def test_several_pictures_per_image(workplace: Path) -> None:
    """One per class, told by what follows the image's name; where they overlap, both classes are kept."""
    Path("labels").mkdir()
    for stem, size in SIZES.items():
        for suffix in ("_pit", "_line"):
            cv2.imwrite(f"labels/{stem}{suffix}.png", box(size))
    run("--labels", "labels", "--class-suffixes", "_pit", "_line")
    assert rows() == expected("1") | expected("2")
    assert recipe()["overlapping_classes"] is True
    assert yaml.safe_load(Path("out.recipe.yaml").read_text())["train"] == {"loss": "bce_dice"}


def test_coco(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Polygons and run lengths; images without an annotation are clean; a name that params.yaml cannot hold is told."""
    coco_masks = pytest.importorskip("pycocotools.mask")
    encoded = coco_masks.encode(np.asfortranarray(box(SIZES["b"], 1)))
    content = {
        "images": [{"id": number, "file_name": f"{stem}.jpg"} for number, stem in enumerate("abc")],
        "categories": [{"id": 7, "name": "a pit"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 7, "segmentation": [[10, 8, 30, 8, 30, 20, 10, 20]]},
            {
                "id": 2,
                "image_id": 1,
                "category_id": 7,
                "segmentation": encoded | {"counts": encoded["counts"].decode()},
            },
        ],
    }
    Path("coco.json").write_text(json.dumps(content))
    run("--coco", "coco.json")
    assert rows() == {row for row in expected() if row[0] in ("a.jpg", "b.jpg")}
    assert "the class 'a pit' is called a_pit" in capsys.readouterr().out
    content["annotations"][0]["segmentation"] = [[1, 1, 2, 2]]
    Path("coco.json").write_text(json.dumps(content))
    reported = refused(capsys, "--coco", "coco.json", "--force")
    assert "coco.json: annotation 1: expected a polygon of at least 3 corners, found 4 numbers" in reported


def test_yolo(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Corners are shares of the sides; an empty file is a clean image; a box is a label of detection, and refused."""
    Path("labels").mkdir()
    for stem, (height, width) in SIZES.items():
        corners = [(10, 8), (30, 8), (30, 20), (10, 20)]
        numbers = " ".join(f"{across / width:.6f} {down / height:.6f}" for across, down in corners)
        Path(f"labels/{stem}.txt").write_text("" if stem == "d" else f"1 {numbers}\n")
    run("--yolo", "labels", "--classes", "pit", "line")
    assert rows() == {row for row in expected("2") if row[0] != "d.jpg"}
    Path("labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    reported = refused(capsys, "--yolo", "labels", "--classes", "pit", "line", "--force")
    assert "labels/a.txt, line 1: expected the corners of a polygon, found a box" in reported


def test_labelme(workplace: Path) -> None:
    """Polygons and rectangles with names, which become the classes."""
    Path("labels").mkdir()
    for stem in SIZES:
        shape = {"label": "pit", "shape_type": "rectangle", "points": [[10, 8], [30, 20]]}
        Path(f"labels/{stem}.json").write_text(json.dumps({"shapes": [shape]}))
    run("--labelme", "labels")
    assert (rows(), recipe()["classes"]) == (expected(), ["pit"])


def test_colour_and_depth_are_stated(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Colour images need three channels; 16 bits a mapping from 0 to the power of two above; not both depths."""
    Path("labels").mkdir()
    for stem, size in SIZES.items():
        cv2.imwrite(f"labels/{stem}.png", box(size))
    noise = np.random.default_rng(0).integers(0, 250, (*SIZES["a"], 3)).astype(np.uint8)
    cv2.imwrite("images/a.jpg", noise)
    run("--labels", "labels", "--class", "pit")
    assert recipe()["images"]["channels"] == 3
    for folder in (Path("images"), Path("tests")):
        for file in list(folder.iterdir()):
            size = cv2.imread(str(file), 0).shape
            file.unlink()
            cv2.imwrite(str(file.with_suffix(".png")), np.full(size, 2000, np.uint16))
    run("--labels", "labels", "--class", "pit", "--force")
    assert recipe()["images"] == {"sizes": "resized", "channels": 1, "levels": [0, 2047]}
    cv2.imwrite("images/a.png", np.zeros(SIZES["a"], np.uint8))
    reported = refused(capsys, "--labels", "labels", "--class", "pit", "--force")
    assert (
        "expected all images to have 8 bits per channel or all more, found more here, and 8 in images/a.png" in reported
    )


def test_overlaps_of_more_classes_than_the_pipeline_keeps(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With nine classes the recipe cannot keep overlaps, and the report says what becomes of them."""
    Path("labels").mkdir()
    for stem, size in SIZES.items():
        for suffix in ("_1", "_2"):
            cv2.imwrite(f"labels/{stem}{suffix}.png", box(size))
    run("--labels", "labels", "--class-suffixes", *(f"_{number}" for number in range(1, 10)))
    assert recipe()["overlapping_classes"] is False
    assert "960 pixels belong to several classes: with 9 classes, training gives each to the highest class alone" in (
        capsys.readouterr().out
    )


def test_transparent_pixels_of_images_are_told(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their colour counts, as everywhere in the pipeline."""
    Path("labels").mkdir()
    for stem, size in SIZES.items():
        cv2.imwrite(f"labels/{stem}.png", box(size))
    Path("images/b.jpg").unlink()
    cv2.imwrite("images/b.png", np.full((*SIZES["b"], 4), (9, 9, 9, 128), np.uint8))
    run("--labels", "labels", "--class", "pit")
    assert "images with transparent pixels, of which the colour counts: 1 (b.png)" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--class-folders", "a=pit", "a=line"], ["--class-suffixes", "_a", "_a"]])
def test_one_sign_of_two_classes(workplace: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    """One of the two would be ignored."""
    Path("labels").mkdir()
    reported = refused(capsys, "--labels", "labels", *options)
    assert "expected different" in reported
