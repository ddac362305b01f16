"""Samples from which a submission would silently be another than the competition asks for."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages import predict
from stages.dataset import sample_submission, submission, tables, validation
from stages.dataset.layout import Columns, Files, Layout, Metric, SubmissionForm
from stages.pipeline import paths
from stages.pipeline.cli import UserError

TWO = Layout(("pit", "line"), 2, 3)
ONE = replace(TWO, classes=("pit",))
MAP = np.array([[1, 0, 1], [1, 0, 0]], np.uint8)
IMAGES, COMPONENTS = SubmissionForm(rows="images"), SubmissionForm(rows="components")


def read(folder: Path, text: str, layout: Layout) -> sample_submission.Template:
    """A sample with this text."""
    path = folder / "sample_submission.csv"
    path.write_text(text, encoding="utf-8")
    return sample_submission.read(path, layout)


def written(folder: Path, sample: sample_submission.Template, form: str = "sample") -> str:
    """The submission of `MAP` for one image, after it was read back."""
    path = folder / "submission.csv"
    submission.write(path, sample, [MAP], form)
    submission.check(path, sample, form)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", [IMAGES, COMPONENTS])
@pytest.mark.parametrize("column", ["ClassId", "ImageId_ClassId"])
def test_a_column_for_the_class_in_rows_that_name_none(form: SubmissionForm, column: str, tmp_path: Path) -> None:
    """With several classes it is refused: the metric would join what the rows part. One class has one label."""
    layout, text = replace(TWO, submission=form), f"ImageId,{column},EncodedPixels\na,1,\n"
    with pytest.raises(UserError, match=rf"found {column}: what .* \(competition\.submission\.rows: .* names no class"):
        read(tmp_path, text, layout)
    cell = "a_1" if column == "ImageId_ClassId" else "1"
    lines = written(tmp_path, read(tmp_path, text, replace(layout, classes=("pit",)))).splitlines()
    assert {line.split(",")[1] for line in lines[1:]} == {cell}


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("id,rle\na,\n", replace(ONE, columns=Columns("id", None, "id_class", "rle"))),
        (
            "id,class,rle\na,1,\n",
            replace(ONE, columns=Columns("id", "class", "id_class", "rle"), submission=SubmissionForm("classes")),
        ),
        ("id,class,rle\na,0,\n", replace(ONE, columns=Columns("id", "class", " id_class", " rle"))),
        ("id_class,rle\na_1,\n", replace(ONE, columns=Columns("id", "class", "id_class ", "rle"))),
    ],
    ids=["one row per image", "a row per class", "fillers and spaces", "pairs already"],
)
def test_pairs_are_pairs_whatever_the_sample(text: str, layout: Layout, tmp_path: Path) -> None:
    """`predict.form: pairs` gives the column of image and class, also where the sample has another form."""
    assert written(tmp_path, read(tmp_path, text, layout), "pairs") == "id_class,rle\na_1,1 2 5 1\n"


@pytest.mark.parametrize("form", [IMAGES, COMPONENTS])
def test_pairs_of_rows_that_name_no_class(form: SubmissionForm, tmp_path: Path) -> None:
    """Refused, and not sent in the sample's form."""
    sample = read(tmp_path, "ImageId,EncodedPixels\na,\n", replace(ONE, submission=form))
    with pytest.raises(UserError, match=r"predict: form: pairs needs .* found ImageId_ClassId and (images|components)"):
        sample.of_form("pairs")


def test_hidden_images_without_fillers(tmp_path: Path) -> None:
    """A sample of fillers that holds only its header says nothing of images without a mask: they would have no row."""
    layout = replace(TWO, files=Files(hidden_test=True))
    with pytest.raises(UserError, match="expected a filler row of class 0 for every test image, found none"):
        read(tmp_path, "ImageId,ClassId,EncodedPixels\n", layout)
    assert read(tmp_path, "ImageId_ClassId,EncodedPixels\n", layout).kind == "classes"


@pytest.mark.parametrize("sent", [False, True])
def test_a_class_is_written_as_the_labels_are(sent: bool, tmp_path: Path) -> None:
    """A column for the class with 01 would be sent back as 1."""
    path = tmp_path / "table.csv"
    path.write_text("ImageId,ClassId,EncodedPixels\na,01,1 1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"line 2: expected a class in 1 … 2, found '01' .*columns.class_labels"):
        list(tables.read(path, TWO, sent=sent))


def test_fillers_where_the_labels_are_stated(tmp_path: Path) -> None:
    """Class 0 is the filler whether labels are stated or not, unless a label is 0."""
    text = "ImageId,ClassId,EncodedPixels\na,0,\n"
    assert read(tmp_path, text, replace(TWO, columns=Columns(class_labels=("1", "2")))).rows == [[(0, "")]]
    with pytest.raises(UserError, match="a: expected a filler row of class 0, found class 1"):
        read(tmp_path, text, replace(TWO, columns=Columns(class_labels=("0", "1"))))


@pytest.mark.parametrize("cell", ["none", " none ", "", "  "])
def test_what_an_empty_mask_looks_like_in_a_submission(cell: str, tmp_path: Path) -> None:
    """Spaces do not count, around the marker or in params.yaml."""
    layout = replace(ONE, submission=SubmissionForm("images", empty="none "))
    assert sample_submission.is_empty(cell, layout)
    assert read(tmp_path, f"ImageId,EncodedPixels\na,{cell}\n", layout).images == ["a"]


def test_a_late_repetition_is_found_at_once(tmp_path: Path) -> None:
    """Every image is looked up once: of n images, so many names are compared or hashed a few times, not n · n."""
    count = 2_000
    rows = "".join(f"{number},,0\n" for number in range(count))
    path = tmp_path / "sample_submission.csv"
    path.write_text(f"ImageId,EncodedPixels,ClassId\n{rows}{count - 2},,0\n", encoding="utf-8")
    read_names: list[CountedName] = []
    original = tables.read

    def counted(*given: object, **named: object) -> object:
        for row in original(*given, **named):  # type: ignore[arg-type]
            read_names.append(CountedName(row.image))
            yield row._replace(image=read_names[-1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "read", counted)
        with pytest.raises(UserError, match=f"found {count - 2} in two places"):
            sample_submission.read(path, TWO)
    assert CountedName.compared < 10 * count  # two million if each were compared with all before it


class CountedName(str):
    """A name that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountedName.compared += 1
        return str.__eq__(self, other)


def test_two_ids_of_one_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file's extension and without, an image would be sent twice."""
    monkeypatch.setattr(paths, "TEST_IMAGES", tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    assert validation.test_files(["a", "b.png"]) == [tmp_path / "a.png", tmp_path / "b.png"]
    with pytest.raises(UserError, match=r"expected one id for each image, found a and a\.png for a\.png"):
        validation.test_files(["a", "b", "a.png"])


@pytest.mark.parametrize(("joined", "expected"), [(True, {"any_class": 2}), (False, {"pit": 2, "line": 0})])
def test_masks_are_counted_by_class_only_where_rows_name_it(joined: bool, expected: dict[str, int]) -> None:
    """Rows that name no class are no masks of the first."""
    layout = replace(TWO, metric=Metric(joined=joined))
    counts = {"images": 3, "masks": 2, "class_1": 2, "class_2": 0}
    assert predict.masks_by_class(counts, layout) == expected


@pytest.mark.parametrize("again", ["000000.jpg", "039998.jpg"])
def test_a_late_repetition_in_a_long_sample(again: str, tmp_path: Path) -> None:
    """Found in a second, not by comparing each of 40,000 images with all others."""
    rows = [f"{number:06}.jpg,1 1,0\n" for number in range(40_000)]
    text = f"ImageId,EncodedPixels,ClassId\n{''.join(rows)}{again},1 1,0\n"
    started = time.monotonic()
    with pytest.raises(UserError, match=f"the rows of one image one after the other, found {again} in two places"):
        read(tmp_path, text, TWO)
    assert time.monotonic() - started < 20


def test_one_image_in_all_rows_of_a_long_sample(tmp_path: Path) -> None:
    """The message does not list them all."""
    text = "ImageId_ClassId,EncodedPixels\n" + "a.jpg_1,\n" * 100_000
    with pytest.raises(UserError, match=r"a\.jpg: expected a row for each of the classes 1, 2 ") as reported:
        read(tmp_path, text, TWO)
    assert len(str(reported.value)) < 3000
