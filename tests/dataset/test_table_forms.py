"""Tables and samples that could be read in two ways: one is stated by the layout, or they are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.dataset import rle, sample_submission, submission, tables
from stages.dataset.layout import Columns, Layout, RunLengths, SubmissionForm
from stages.dataset.rle import Runs
from stages.pipeline.cli import UserError

TWO = Layout(("pit", "line"), 2, 4)
NO_CLASS = Columns(image="id", class_id=None, runs="rle")


def table(folder: Path, text: str) -> Path:
    """A CSV file."""
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("sent", [False, True])
def test_several_classes_need_a_column(sent: bool, tmp_path: Path) -> None:
    """Otherwise every mask would be one of the first class."""
    layout = replace(TWO, columns=NO_CLASS)
    with pytest.raises(
        UserError, match=r"expected a column for the class, because competition.classes names 2, found 'id,rle'"
    ):
        list(tables.read(table(tmp_path, "id,rle\na,1 1\n"), layout, sent=sent))
    one = replace(layout, classes=("pit",))
    assert [row.class_id for row in tables.read(table(tmp_path, "id,rle\na,1 1\n"), one, sent=sent)] == [1]
    pairs = tables.read(table(tmp_path, "ImageId_ClassId,rle\na_2,1 1\n"), layout, sent=sent)
    assert [(row.image, row.class_id) for row in pairs] == [("a", 2)]


def test_components_of_all_classes_are_sent(tmp_path: Path) -> None:
    """Rows name no class; each component of each class has one, and an image without any an empty one."""
    layout = replace(TWO, columns=NO_CLASS, submission=SubmissionForm(rows="components"))
    sample = sample_submission.read(table(tmp_path, "id,rle\na,\nb,\n"), layout)
    labels = np.array([[1, 0, 2, 2], [0, 0, 0, 2]], np.uint8), np.zeros((2, 4), np.uint8)
    submission.write(tmp_path / "s.csv", sample, labels, "sample")
    assert (tmp_path / "s.csv").read_text() == "id,rle\na,1 1\na,5 1 7 2\nb,\n"
    assert submission.check(tmp_path / "s.csv", sample, "sample")["masks"] == 2


@pytest.mark.parametrize("sent", [False, True])
def test_a_class_in_an_id_is_written_as_the_labels_are(sent: bool, tmp_path: Path) -> None:
    """`a.jpg_01` would be sent back as `a.jpg_1`, which is another id."""
    path = table(tmp_path, "ImageId_ClassId,EncodedPixels\na.jpg_01,1 1\n")
    with pytest.raises(UserError, match=r"line 2: expected a class in 1 … 2, found '01' .*class_labels"):
        list(tables.read(path, TWO, sent=sent))
    labelled = replace(TWO, columns=Columns(class_labels=("01", "02")))
    assert [(row.image, row.class_id) for row in tables.read(path, labelled, sent=sent)] == [("a.jpg", 1)]


def test_a_column_of_the_sample_that_nothing_fills(tmp_path: Path) -> None:
    """Told when the sample is read, long before a submission is written."""
    path = table(tmp_path, "ImageId,Usage,EncodedPixels,ClassId\na,Public,1 1,0\n")
    with pytest.raises(
        UserError, match=r"expected no columns but .*ImageId, EncodedPixels .* found Usage: what a submission"
    ):
        sample_submission.read(path, TWO)


def test_pairs_need_their_column(tmp_path: Path) -> None:
    """The column of the layout is written, not Severstal's; without one, the form is refused."""
    text = "id,cls,rle\na,0,\n"
    columns = Columns(image="id", class_id="cls", image_and_class="id_cls", runs="rle")
    sample = sample_submission.read(table(tmp_path, text), replace(TWO, columns=columns))
    submission.write(tmp_path / "s.csv", sample, [np.array([[1, 0, 0, 0]] * 2, np.uint8)], "pairs")
    assert (tmp_path / "s.csv").read_text() == "id_cls,rle\na_1,1 2\na_2,\n"
    sample = sample_submission.read(table(tmp_path, text), replace(TWO, columns=replace(columns, image_and_class=None)))
    with pytest.raises(UserError, match=r"predict: form: pairs needs competition.columns.image_and_class"):
        sample.of_form("pairs")


FROM_ZERO = RunLengths(first_pixel=0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5 3", "found 5 3, which ends at 7"),
        ("4 1 2 1", "found 4 1 followed by 2 1"),
        ("0 3 2 1", "found 0 3 followed by 2 1"),
    ],
)
def test_messages_number_pixels_as_the_table_does(text: str, found: str) -> None:
    """From 0 where the table counts from 0."""
    with pytest.raises(rle.RunLengthError, match=found):
        rle.parse(text, 2, 3, FROM_ZERO)
    plus_one = " ".join(str(int(number) + 1 - place % 2) for place, number in enumerate(text.split()))
    with pytest.raises(rle.RunLengthError):
        rle.parse(plus_one, 2, 3)


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_has_one_form_however_it_is_cut_into_rows(seed: int) -> None:
    """Runs of a random mask, cut, doubled and shuffled, are joined to those of the whole mask."""
    random = np.random.default_rng(seed)
    mask = random.random((6, 7)) < 0.5
    pixels = np.flatnonzero(mask.T.reshape(-1))
    parts = np.array_split(random.permutation(pixels), 4)
    cut = [Runs(np.sort(part), np.ones(len(part), np.int64)) for part in [*parts, parts[0]]]
    found, expected = rle.joined([*cut, rle.runs(mask)] if seed % 2 else cut), rle.runs(mask)
    assert (found.starts.tolist(), found.lengths.tolist()) == (expected.starts.tolist(), expected.lengths.tolist())


def test_joining_nothing() -> None:
    """The empty mask, in one part or several."""
    empty = Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert not len(rle.joined([empty, empty]).starts)


@pytest.mark.parametrize("text", ["none", " none", "none  ", "-1", "", "   "])
def test_spaces_around_a_marker_do_not_count(text: str) -> None:
    """Neither in the table nor in params.yaml; a form feed or a no-break space is no space."""
    notation = RunLengths(empty=(" none ", "-1"))
    assert rle.is_empty(text, notation)
    assert not len(rle.parse(text, 2, 3, notation).starts)
    for other in ("\f", "\u00a0", "\t"):
        assert not rle.is_empty(other, notation)
        with pytest.raises(rle.RunLengthError):
            rle.parse(other, 2, 3, notation)
