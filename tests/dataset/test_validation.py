"""A training table compared with its images: all faults are collected and reported together."""

from pathlib import Path

import pytest

from stages.dataset import validation
from stages.dataset.image_names import ImageNames
from stages.dataset.layout import Layout
from stages.pipeline.cli import UserError

IMAGES = ImageNames(["a.jpg", "b.jpg"])


def found(folder: Path, rows: str) -> tuple[list[tuple[str, int, str]], list[str]]:
    """Valid masks of a table of images of 2×3 pixels in 2 classes, and its faults."""
    table = folder / "raw" / "train.csv"
    table.parent.mkdir(exist_ok=True)
    table.write_text("ImageId,ClassId,EncodedPixels\n" + rows, encoding="utf-8")
    faults = validation.Faults()
    masks = [
        (row.image, row.class_id, row.runs) for row in validation.masks(table, IMAGES, Layout.unnamed(2, 2, 3), faults)
    ]
    return masks, [fault.removeprefix(f"{table}, ") for fault in faults.shown]


def test_a_table_without_faults(tmp_path: Path) -> None:
    """Masks come in the order of the table; rows without one, as in 2019, are left out and no fault."""
    masks, faults = found(tmp_path, "b.jpg,2,1 2\na.jpg,1,\na.jpg,2,  \nb.jpg,1,3 1\n")
    assert masks == [("b.jpg", 2, "1 2"), ("b.jpg", 1, "3 1")]
    assert faults == []


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    """A mask of a missing image, even of the same name in other letters, is reported and left out."""
    masks, faults = found(tmp_path, "c.jpg,1,1 2\nA.jpg,1,1 2\na.jpg,1,1 2\n")
    assert masks == [("a.jpg", 1, "1 2")]
    assert faults == [
        f"line 2: expected an image in {tmp_path}/raw/train_images, found no c.jpg",
        f"line 3: expected an image in {tmp_path}/raw/train_images, found no A.jpg but a.jpg",
    ]


def test_a_name_in_another_unicode_form(tmp_path: Path) -> None:
    """A name that looks the same (é as one character or as two) is reported as what it is."""
    table = tmp_path / "train.csv"
    table.write_text("ImageId,ClassId,EncodedPixels\nr\u00e9.jpg,1,1 2\n", encoding="utf-8")
    faults = validation.Faults()
    assert list(validation.masks(table, ImageNames(["re\u0301.jpg"]), Layout.unnamed(2, 2, 3), faults)) == []
    assert faults.shown[0].endswith(
        r"looks the same in another Unicode form (NFC, NFD): 're\u0301.jpg' for 'r\xe9.jpg'"
    )


def test_two_rows_for_one_image_and_class(tmp_path: Path) -> None:
    """The second and third row of one pair are reported, both with the line of the first; another class is fine."""
    masks, faults = found(tmp_path, "a.jpg,1,1 1\na.jpg,2,2 1\na.jpg,1,3 1\na.jpg,1,\n")
    assert masks == [("a.jpg", 1, "1 1"), ("a.jpg", 2, "2 1")]
    assert faults == [
        f"line {line}: expected one row for a.jpg and class 1, found another on line 2 (a table with a row for each "
        "object needs competition.columns.instances: true)"
        for line in (4, 5)
    ]


def test_an_unreadable_table_ends_at_once(tmp_path: Path) -> None:
    """What makes rows unreadable is no fault among others."""
    with pytest.raises(UserError, match="line 3: expected a class in 1 … 2, found '3'"):
        found(tmp_path, "c.jpg,1,1 2\na.jpg,3,1 2\n")


def test_how_to_correct_is_added(tmp_path: Path) -> None:
    """The message stays as it is, and a second line names the source and the command."""
    with pytest.raises(UserError) as refusal, validation.explaining_how_to_correct():
        raise UserError("train.csv, line 2: expected this, found that")
    first, second = str(refusal.value).split("\n  ")
    assert first == "train.csv, line 2: expected this, found that"
    assert second.startswith("correct it in the source (download.source in params.yaml), then run dvc repro --force ")
    assert second.endswith("changes in data/raw itself are overwritten")


def test_no_faults_raise_nothing() -> None:
    """Nothing is raised where nothing is wrong."""
    validation.Faults().raise_if_any()


@pytest.mark.parametrize(
    ("count", "last"), [(1, "fault 0"), (10, "fault 9"), (11, "… and 1 more"), (500, "… and 490 more")]
)
def test_faults_are_reported_at_once(count: int, last: str) -> None:
    """The number of all faults comes first, then at most ten of them, one per line, then how many more."""
    faults = validation.Faults()
    for number in range(count):
        faults.add(f"fault {number}")
    with pytest.raises(UserError) as reported:
        faults.raise_if_any()
    lines = str(reported.value).split("\n  ")
    assert lines[0] == f"the data has {count} fault(s):"
    assert lines[1:] == [*(f"fault {number}" for number in range(min(count, 10))), *([last] if count > 10 else [])]
    assert lines[-1] == last
