"""COCO files: what is read, what is refused, and which images they describe."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.conversion import coco, pairing
from stages.conversion.labels import Shapes
from stages.conversion.pairing import InputFolders
from stages.pipeline.cli import UserError

SQUARE = [[1, 1, 4, 1, 4, 4, 1, 4]]
CONTENT: dict[str, Any] = {
    "images": [{"id": 3, "file_name": "a.jpg", "height": 8, "width": 9}],
    "categories": [{"id": 7, "name": "pit"}, {"id": 2, "name": "line"}],
    "annotations": [{"id": 1, "image_id": 3, "category_id": 7, "segmentation": SQUARE, "bbox": [1, 1, 4, 4]}],
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


def written(change: Callable[[dict[str, Any]], object] = lambda content: None) -> Path:
    """The file, changed."""
    content = copy.deepcopy(CONTENT)
    change(content)
    Path("coco.json").write_text(json.dumps(content))
    return Path("coco.json")


def test_categories_are_numbered_by_their_ids() -> None:
    """Line has the lower id, so it is class 1."""
    found = coco.read(written())
    assert found.categories == ["line", "pit"]
    assert [shape.class_id for shape in found.labels["a.jpg"].shapes] == [2]
    assert found.labels["a.jpg"].size == (8, 9)


def test_another_file_keeps_the_class_ids() -> None:
    """The file of the test images lists its own categories, in another order or only some of them."""
    found = coco.read(written(), ["pit", "hole", "line"])
    assert [shape.class_id for shape in found.labels["a.jpg"].shapes] == [1]
    with pytest.raises(UserError, match=r"^coco.json: annotation 1: expected one of hole, line, found pit$"):
        coco.read(written(), ["hole", "line"])


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "boxes alone": (
        lambda content: content["annotations"][0].pop("segmentation"),
        "expected a segmentation (polygons or run lengths), found a box alone: these labels are of detection",
    ),
    "empty segmentation": (
        lambda content: content["annotations"][0].update(segmentation=[], bbox=None),
        "annotation 1: expected a segmentation (polygons or run lengths), found none",
    ),
    "flat polygon": (
        lambda content: content["annotations"][0].update(segmentation=SQUARE[0]),
        "annotation 1: expected a list of polygons, or run lengths, found [1, 1, 4, 1",
    ),
    "no number": (
        lambda content: content["annotations"][0].update(segmentation=[[1, 2, "x", 4, 5, 6]]),
        "annotation 1: expected a polygon of numbers, found [1, 2, 'x'",
    ),
    "unknown image": (
        lambda content: content["annotations"][0].update(image_id=4),
        "annotation 1: expected an image and a category of this file, found 4 and 7",
    ),
    "no category": (
        lambda content: content["annotations"][0].update(category_id=None),
        "annotation 1: expected an image and a category of this file, found 3 and None",
    ),
    "two images of one id": (
        lambda content: content["images"].append({"id": 3, "file_name": "b.jpg"}),
        "expected every id and every file_name once, found 3 (b.jpg) again",
    ),
    "two images of one name": (
        lambda content: content["images"].append({"id": 4, "file_name": "./a.jpg"}),
        "expected every id and every file_name once, found 4 (a.jpg) again",
    ),
    "two categories of one name": (
        lambda content: content["categories"].append({"id": 9, "name": "pit"}),
        "expected every id and every name once, found 9 (pit) again",
    ),
    "no name": (
        lambda content: content["images"][0].pop("file_name"),
        "expected an id and a file_name, found {",
    ),
    "no annotations": (lambda content: content.pop("annotations"), "found no annotations"),
    "annotations by id": (lambda content: content.update(annotations={"1": {}}), "found no annotations"),
    "size in words": (lambda content: content["images"][0].update(width="9"), "in whole pixels, found 8 and '9'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(fault: str) -> None:
    """One message with the place and what was found."""
    change, message = FAULTS[fault]
    with pytest.raises(UserError) as refusal:
        coco.read(written(change))
    assert str(refusal.value).startswith("coco.json: ")
    assert message in str(refusal.value)


def test_runs_that_do_not_fill_the_image() -> None:
    """The annotation is named when it is drawn."""
    runs = {"size": [8, 9], "counts": [10, 20]}
    label = coco.read(written(lambda content: content["annotations"][0].update(segmentation=runs))).labels["a.jpg"]
    with pytest.raises(UserError, match=r"^coco.json: annotation 1: expected counts whose sum is 8×9 = 72, found 30$"):
        label.masks((8, 9))


def paired(names: str, files: str, *, clean: bool = False) -> dict[str, str]:
    """The name in the COCO file of each image."""
    for file in files.split():
        Path("images", file).parent.mkdir(parents=True, exist_ok=True)
        Path("images", file).touch()
    images = [{"id": number, "file_name": name} for number, name in enumerate(names.split())]
    content = coco.read(written(lambda content: content.update(images=images, annotations=[])))
    place = InputFolders(Path("images"), Path("coco.json"), unlabelled_are_clean=clean)
    found = pairing.coco(place, content.labels)
    stated = {str(one.image): one.label.where if isinstance(one.label, Shapes) else "" for one in found}
    return {image: where.removeprefix("coco.json: ") for image, where in stated.items()}


def test_names_with_folders() -> None:
    """Equal names in several folders, a backslash, and a folder above that of the images."""
    assert paired("a/1.jpg b\\1.jpg", "a/1.jpg b/1.jpg") == {"images/a/1.jpg": "a/1.jpg", "images/b/1.jpg": "b\\1.jpg"}
    assert paired("data/a/1.jpg data/b/1.jpg", "a/1.jpg b/1.jpg") == {
        "images/a/1.jpg": "data/a/1.jpg",
        "images/b/1.jpg": "data/b/1.jpg",
    }


def test_ambiguous_names_are_refused() -> None:
    """One name for two images, and two names for one image."""
    with pytest.raises(UserError, match=r"1.jpg: expected one image of this name, found images/a/1.jpg and images/b/1"):
        paired("1.jpg", "a/1.jpg b/1.jpg")
    with pytest.raises(UserError, match=r"images/c/2.jpg: expected one label, found x/2.jpg and y/2.jpg"):
        paired("x/2.jpg y/2.jpg", "c/2.jpg")


def test_images_of_one_side_only_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Listed ones that are absent, and present ones that are not listed; those may count as clean."""
    assert paired("a.jpg gone.jpg b.jpg", "a.jpg b.jpg more/c.jpg d.png") == {
        "images/a.jpg": "a.jpg",
        "images/b.jpg": "b.jpg",
    }
    assert capsys.readouterr().out.splitlines() == [
        "convert: coco.json: images that are not in images are left out: 1 (gone.jpg)",
        "convert: images: images that coco.json does not list are left out: 2 (d.png, more/c.jpg)",
    ]
    assert len(paired("a.jpg b.jpg", "", clean=True)) == 4
    assert "does not list count as clean (--unlabelled-are-clean): 2 (d.png, more/c.jpg)" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"coco.json: expected its images in images, found none of 1 \(x.jpg\)"):
        paired("x.jpg", "")
