"""Test images of the report: which are shown, and whether their masks are those of the submission."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import rle
from stages.dataset.layout import Layout, RunLengths, SubmissionForm
from stages.figures import report_galleries, submitted
from stages.pipeline.cli import UserError

LAYOUT = Layout(("pit", "line"), 4, 6)
PIT = "1 2"  # the first two pixels of the first column


def write(folder: Path, rows: list[str], header: str = "ImageId,EncodedPixels,ClassId") -> Path:
    """A submission, and an image for each of its rows."""
    path = folder / "submission.csv"
    path.write_text("\n".join([header, *rows, ""]))
    (folder / "images").mkdir()
    for row in rows:
        cv2.imwrite(str(folder / "images" / row.split(",")[0].split("_")[0]), np.full((4, 6), 99, np.uint8))
    return path


def test_all_of_few_images(tmp_path: Path) -> None:
    """In the order of the submission, with the areas of their masks; a filler row is no mask."""
    path = write(tmp_path, [f"b.png,{PIT},1", "b.png,5 4,2", "a.png,1 24,0"])
    sent = submitted.read(path, tmp_path / "images", LAYOUT)
    assert (sent.images, sent.marked, sent.shown, sent.share) == (2, 1, ("b.png", "a.png"), None)
    first, second = sent.items(800)
    assert first["masks"] == {"prediction": {"pit": PIT, "line": "5 4"}}
    assert first["caption"] == "pit 2 px, line 4 px"
    assert (second["masks"], second["caption"], second["clean"]) == ({"prediction": {}}, "no mask", True)
    assert (first["height"], first["width"], sent.pixels) == (4, 6, 48)


def test_masks_in_another_notation(tmp_path: Path) -> None:
    """Row by row and from 0 in the submission; column by column and from 1 on the page."""
    layout = Layout(("pit", "line"), 4, 6, run_lengths=RunLengths("rows", 0))
    mask = np.zeros((4, 6), np.bool_)
    mask[1:3, 2:5] = True
    path = write(tmp_path, [f"a.png,{rle.encode(mask, layout.run_lengths)},2"])
    (item,) = submitted.read(path, tmp_path / "images", layout).items(800)
    assert item["masks"] == {"prediction": {"line": rle.encode(mask)}}


def test_rows_without_a_class(tmp_path: Path) -> None:
    """Joined masks of two classes belong to neither; two components become one mask."""
    layout = Layout(("pit", "line"), 4, 6, submission=SubmissionForm(rows="components"))
    path = write(tmp_path, [f"a.png,{PIT}", "a.png,5 4"], "ImageId,EncodedPixels")
    (item,) = submitted.read(path, tmp_path / "images", layout).items(800)
    assert item["masks"] == {"prediction": {submitted.ANY: "1 2 5 4"}}


def test_many_images(tmp_path: Path) -> None:
    """A rare class is shown whole, the others in equal shares from the whole submission, and the page says so."""
    rows = [f"{number:03}.png,{PIT},1" if number % 2 else f"{number:03}.png,1 24,0" for number in range(200)]
    rows[100] = f"100.png,{PIT},2"
    sent = submitted.read(write(tmp_path, rows), tmp_path / "images", LAYOUT, most=30)
    assert (sent.images, sent.marked, sent.share) == (200, 101, 10)
    assert len(sent.shown) == 21
    assert "100.png" in sent.shown
    assert list(sent.shown) == sorted(sent.shown)
    assert int(sent.shown[-1][:3]) > 175
    note = report_galleries.test([], sent, ["pit", "line"]).note
    assert "101 of 200 images have a mask. Shown: 21 of 200, at most 10 for each predicted class" in note


def test_no_more_than_the_most(tmp_path: Path) -> None:
    """With more classes than places too."""
    layout = Layout(tuple("abcdefgh"), 4, 6)
    path = write(tmp_path, [f"{number}.png,{PIT},{number % 8 + 1}" for number in range(80)])
    assert len(submitted.read(path, tmp_path / "images", layout, most=5).shown) == 5


def test_hidden_test_images(tmp_path: Path) -> None:
    """A submission that holds only its header shows nothing, and the page says why."""
    sent = submitted.read(write(tmp_path, []), tmp_path / "images", LAYOUT)
    assert list(sent.items(800)) == []
    assert "its test images exist only where the notebook runs" in report_galleries.test([], sent, ["pit"]).note


def test_a_missing_or_damaged_photograph(tmp_path: Path) -> None:
    """One message."""
    sent = submitted.read(write(tmp_path, [f"a.png,{PIT},1"]), tmp_path / "images", LAYOUT)
    (tmp_path / "images/a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"a\.png: expected"):
        list(sent.items(800))
    (tmp_path / "images/a.png").unlink()
    with pytest.raises(UserError, match=r"images: expected the image a\.png of .*submission\.csv, found none"):
        list(sent.items(800))


def test_runs_outside_of_the_image(tmp_path: Path) -> None:
    """The line is named."""
    path = write(tmp_path, ["a.png,1 25,1"])
    with pytest.raises(UserError, match=r"submission\.csv, line 2: a\.png: expected"):
        submitted.read(path, tmp_path / "images", LAYOUT)
