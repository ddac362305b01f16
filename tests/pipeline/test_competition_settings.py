"""The section `competition` of params.yaml: each impossible or contradictory value has its message, before any work."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.pipeline import settings
from stages.pipeline.cli import UserError

COMMITTED = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
SINGLE = {"classes": ["salt"], "columns.class_id": None, "columns.image_and_class": None, "submission.rows": "images"}

MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"files.train_images": "train/.*"}, "files: train_images: expected a regular expression with at least one group"),
    ({"files.test_images": "test/(["}, "files: test_images: expected a regular expression for the paths of images"),
    ({"files.test_images": "train_images/([^/]+)"}, "train_images and test_images: expected different patterns, found"),
    (
        {"files.train_table": "../train.csv"},
        "files: train_table: expected the path of a .csv inside the archive, found",
    ),
    ({"files.sample_submission": "train.csv"}, "train_table and sample_submission: expected two tables, found"),
    ({"columns.class_id": "ImageId"}, "columns: expected a different column for each key, found"),
    (
        {"columns.class_labels": ["a", "b"]},
        "columns: class_labels: expected 4 texts, one for each of pits, cracks",
    ),
    ({"columns.class_labels": [1, 1, 2, 3]}, "columns: class_labels: expected different texts, found"),
    (
        {"columns.class_labels": [True, 2, 3, 4.0]},
        "class_labels: expected texts in quotes or whole numbers, found [True, 4.0]",
    ),
    ({"columns.class_id": " ImageId "}, "columns: expected a different column for each key, found"),
    ({"columns.submission_runs": "ClassId"}, "submission_runs: expected a column of its own, found 'ClassId' twice"),
    ({"columns.class_id": None, "columns.image_and_class": None}, "columns: expected a column for the class (class_id"),
    ({"run_lengths.order": "rowwise"}, "run_lengths: order: "),
    ({"run_lengths.first_pixel": 2}, "run_lengths: first_pixel: "),
    ({"run_lengths.first_pixel": True}, "run_lengths: first_pixel: expected a whole number, found True"),
    ({"run_lengths.empty": [-1]}, 'run_lengths: empty: expected texts in quotes, such as "-1", found [-1]'),
    ({"images.sizes": "cropped"}, "images: sizes: "),
    ({"images.channels": 2}, "images: channels: "),
    (
        {"images.channels": 3, "images.grey_from_colour": True},
        "grey_from_colour: expected false with channels: 3, found",
    ),
    ({"images.levels": [255, 0]}, "levels: expected the value of black, then a larger one of white, found [255, 0]"),
    ({"submission.height": 350}, "height and width: expected both or neither, found 350 and None"),
    ({"submission.rows": "polygons"}, "submission: rows: "),
    ({"metric.name": "iou_thresholds"}, "metric: iou_thresholds is defined for a single class; found 4"),
    (
        {"metric.name": "global_dice", "metric.empty_pair": 0},
        "empty_pair: expected 1 with global_dice, which has no pairs",
    ),
    (
        SINGLE | {"submission.rows": "classes"},
        "submission: rows: classes needs a column for the class; expected images",
    ),
    (
        {"overlapping_classes": True},
        "train: loss: expected one of bce, bce_dice, bce_image_dice, focal_dice_bce, which decide each class by itself",
    ),
    ({"classes": [f"c{n}" for n in range(9)], "overlapping_classes": True}, "overlapping_classes: expected at most 8"),
    ({"classes": ["Crack", "crack", "a", "b"]}, "classes: expected different names (upper case or not), found"),
    ({"image_height": 40_000}, "image_height: "),
    (
        {"image_height": 32_768, "image_width": 20, "classes": [f"c{n}" for n in range(31)]},
        "image_height, image_width, classes: expected at most 1,000,000 rows of probabilities (height × classes)",
    ),
    (
        {"image_height": 4096, "image_width": 4096, "classes": [f"c{n}" for n in range(65)]},
        "expected at most 1,073,741,824 probabilities (height × width × classes), found 4,096 × 4,096 × 65",
    ),
]


def load(folder: Path, changes: dict[str, Any]) -> settings.Settings:
    """The committed parameters with some of the section changed."""
    content = copy.deepcopy(COMMITTED)
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = content["competition"]
        for section in sections:
            place = place[section]
        place[name] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return settings.load(path)


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_mistakes(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """One line that names the key, what is expected and what was found."""
    with pytest.raises(UserError) as reported:
        load(tmp_path, changes)
    assert message in str(reported.value)
    assert "Traceback" not in str(reported.value)


def test_a_single_class_needs_no_column(tmp_path: Path) -> None:
    """As in TGS Salt."""
    assert load(tmp_path, SINGLE).competition.classes == ("salt",)
