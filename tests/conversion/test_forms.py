"""Labels that say more than their names: which image they belong to, and in which order the classes are."""

import argparse
import json
from pathlib import Path

import pytest

from stages.commands import convert
from stages.conversion import forms
from stages.pipeline.cli import UserError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two empty images and a folder of labels."""
    monkeypatch.chdir(tmp_path)
    for name in ("images", "labels"):
        Path(name).mkdir()
    for name in ("a", "b"):
        Path(f"images/{name}.jpg").touch()


def refusal(*words: str) -> str:
    """What is said when the labels are read."""
    parser = argparse.ArgumentParser()
    convert.add_arguments(parser)
    given = parser.parse_args(["out", "--images", "images", "--test-share", "0.5", *words])
    with pytest.raises(UserError) as refused:
        forms.of(given)[1](forms.training_place(given))
    return str(refused.value)


def test_a_labelme_file_of_another_image() -> None:
    """The file a.json names b.jpg, which is there: one of the two names is wrong."""
    for name in ("a", "b"):
        shape = {"label": "pit", "points": [[1, 1], [2, 1], [2, 2]]}
        Path(f"labels/{name}.json").write_text(json.dumps({"imagePath": "b.jpg", "shapes": [shape]}))
    assert "labels/a.json: expected imagePath to name images/a.jpg" in refusal("--labelme", "labels")


def test_classes_in_another_order_than_yolos() -> None:
    """The file classes.txt beside the labels has the same names in another order."""
    for name in ("a", "b"):
        Path(f"labels/{name}.txt").touch()
    Path("labels/classes.txt").write_text("pit\nline\n")
    reported = refusal("--yolo", "labels", "--classes", "line", "pit")
    assert reported == "--classes: expected the order of labels/classes.txt, pit line, found line pit"
