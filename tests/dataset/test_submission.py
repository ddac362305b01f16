"""Submissions in both forms: written, read back, and every fault reported."""

import csv
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stages.dataset import rle, sample_submission, submission
from stages.dataset.layout import Layout
from stages.pipeline.cli import UserError

# 2×3 pixels, two classes: an image with both, one with class 2 alone, one without any.
MAPS = [np.array(rows, np.uint8) for rows in ([[1, 0, 2], [1, 0, 2]], [[0, 2, 0], [2, 0, 0]], [[0, 0, 0], [0, 0, 0]])]

PAIRS = "ImageId_ClassId,EncodedPixels\n" + "".join(f"{image}.jpg_{number},\n" for image in "abc" for number in (1, 2))
TODAY = "ImageId,EncodedPixels,ClassId\na.jpg,1 6,0\nb.jpg,1 5,0\nc.jpg,1 4,0\n"

WRITTEN_AS_PAIRS = """ImageId_ClassId,EncodedPixels
a.jpg_1,1 2
a.jpg_2,5 2
b.jpg_1,
b.jpg_2,2 2
c.jpg_1,
c.jpg_2,
"""
WRITTEN_AS_TODAY = """ImageId,EncodedPixels,ClassId
a.jpg,1 2,1
a.jpg,5 2,2
b.jpg,2 2,2
c.jpg,1 4,0
"""  # c.jpg keeps its own filler


SMALL = Layout.unnamed(2, 2, 3)


def sample(folder: Path, text: str, layout: Layout = SMALL) -> sample_submission.Template:
    """What a sample submission with this text asks for."""
    path = folder / "sample_submission.csv"
    path.write_text(text, encoding="utf-8")
    return sample_submission.read(path, layout)


def checked(folder: Path, template: sample_submission.Template, text: str, form: str = "sample") -> dict[str, int]:
    """What `check` finds in a submission with this text."""
    path = folder / "submission.csv"
    path.write_text(text, encoding="utf-8")
    return submission.check(path, template, form)


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        (PAIRS, "sample", WRITTEN_AS_PAIRS),
        (PAIRS, "pairs", WRITTEN_AS_PAIRS),
        (TODAY, "sample", WRITTEN_AS_TODAY),
        (TODAY, "pairs", WRITTEN_AS_PAIRS),
    ],
)
def test_written_byte_for_byte(tmp_path: Path, text: str, form: str, expected: str) -> None:
    """Each form of the sample, followed or turned into pairs, gives the expected bytes, and `check` accepts them."""
    template = sample(tmp_path, text)
    path = tmp_path / "submission.csv"
    submission.write(path, template, iter(MAPS), form)
    assert path.read_bytes().decode() == expected
    counts = submission.check(path, template, form)
    assert counts == {"images": 3, "masks": 3, "class_1": 1, "class_2": 2}


@pytest.mark.parametrize("form", ["sample", "pairs"])
def test_the_order_of_the_sample_is_kept(tmp_path: Path, form: str) -> None:
    """Columns, images and classes stand as in the sample, whatever its order."""
    template = sample(tmp_path, "EncodedPixels,ImageId_ClassId\n,b.jpg_2\n,b.jpg_1\n,a.jpg_1\n,a.jpg_2\n")
    path = tmp_path / "submission.csv"
    submission.write(path, template, iter(MAPS[:2]), form)
    expected = "EncodedPixels,ImageId_ClassId\n5 2,b.jpg_2\n1 2,b.jpg_1\n,a.jpg_1\n2 2,a.jpg_2\n"
    assert path.read_bytes().decode() == expected
    assert submission.check(path, template, form)["masks"] == 3


def test_columns_of_todays_sample_in_another_order(tmp_path: Path) -> None:
    """The columns of a mask follow the sample's header."""
    template = sample(tmp_path, "ClassId,ImageId,EncodedPixels\n0,a.jpg,1 1\n")
    submission.write(tmp_path / "submission.csv", template, iter(MAPS[:1]), "sample")
    assert (tmp_path / "submission.csv").read_text() == "ClassId,ImageId,EncodedPixels\n1,a.jpg,1 2\n2,a.jpg,5 2\n"


@pytest.mark.parametrize(("text", "form"), [(PAIRS, "sample"), (TODAY, "sample"), (TODAY, "pairs")])
def test_masks_come_back(tmp_path: Path, text: str, form: str) -> None:
    """Random label maps are found again, pixel by pixel, in the file alone."""
    template = sample(tmp_path, text)
    maps = list(np.random.default_rng(1).integers(0, 3, (3, 2, 3), dtype=np.uint8))
    path = tmp_path / "submission.csv"
    submission.write(path, template, iter(maps), form)
    found = dict.fromkeys(template.images, 0) | {name: np.zeros((2, 3), np.uint8) for name in template.images}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pair = row.get("ImageId_ClassId") or f"{row['ImageId']}_{row['ClassId']}"
            name, _, number = pair.rpartition("_")
            found[name] += int(number) * rle.decode(row["EncodedPixels"], 2, 3).astype(np.uint8)
    for name, label_map in zip(template.images, maps, strict=True):
        np.testing.assert_array_equal(found[name], label_map)


def test_a_failure_leaves_the_old_submission(tmp_path: Path) -> None:
    """When an image cannot be read half-way, the file is as it was and nothing lies beside it."""
    template = sample(tmp_path, TODAY)
    path = tmp_path / "out" / "submission.csv"
    path.parent.mkdir()
    path.write_text("old")

    def maps() -> Iterator[np.ndarray]:
        yield MAPS[0]
        raise RuntimeError("unreadable")

    with pytest.raises(RuntimeError, match="unreadable"):
        submission.write(path, template, maps(), "sample")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_label_maps_are_taken_one_at_a_time(tmp_path: Path) -> None:
    """As many maps as images are needed, and one too few is no silent success."""
    with pytest.raises(ValueError, match="shorter"):
        submission.write(tmp_path / "submission.csv", sample(tmp_path, TODAY), iter(MAPS[:2]), "sample")
    assert not (tmp_path / "submission.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ImageId,EncodedPixels,ClassId\n",
            "expected a row for every test image, found none (a sample that holds only its header needs "
            "competition.files.hidden_test: true)",
        ),
        (TODAY + "a.jpg,1 6,1\n", "expected the rows of one image one after the other, found a.jpg in two places"),
        (PAIRS + "a.jpg_1,\n", "expected the rows of one image one after the other, found a.jpg in two places"),
        (
            "ImageId_ClassId,EncodedPixels\na.jpg_1,\nb.jpg_1,\na.jpg_2,\nb.jpg_2,\n",
            "expected the rows of one image one after the other, found a.jpg in two places",
        ),
        (
            PAIRS.replace("b.jpg_2,\n", ""),
            "b.jpg: expected a row for each of the classes 1, 2 (competition.classes in params.yaml), found 1",
        ),
        (
            PAIRS.replace("b.jpg_2", "b.jpg_1"),
            "b.jpg: expected a row for each of the classes 1, 2 (competition.classes in params.yaml), found 1, 1",
        ),
        (
            PAIRS.replace("b.jpg_2", "b.jpg_0"),
            "b.jpg: expected a row for each of the classes 1, 2 (competition.classes in params.yaml), found 1, 0",
        ),
    ],
)
def test_wrong_samples(tmp_path: Path, text: str, message: str) -> None:
    """A sample that cannot be followed is refused, with the image that is wrong."""
    with pytest.raises(UserError) as reported:
        sample(tmp_path, text)
    assert str(reported.value) == f"{tmp_path / 'sample_submission.csv'}: {message}"


def test_a_sample_of_another_size(tmp_path: Path) -> None:
    """A filler over 2×4 pixels contradicts images of 2×3."""
    with pytest.raises(
        UserError, match=r"a\.jpg: expected masks of 2×3 pixels .* found a row that does not fit: expected "
    ):
        sample(tmp_path, TODAY.replace("a.jpg,1 6,0", "a.jpg,1 8,0"))


def test_a_sample_with_more_classes_than_params_name(tmp_path: Path) -> None:
    """A class that params.yaml does not name points to params.yaml."""
    with pytest.raises(
        UserError, match=r"line 3: expected a class in 0 … 1, found '2' \(competition\.classes in params"
    ):
        sample(tmp_path, PAIRS, Layout.unnamed(1, 2, 3))


# Faults of a submission: the sample, the submission, and what is reported after the file's name.
FAULTS = [
    (TODAY, PAIRS, ", line 1: expected ImageId,EncodedPixels,ClassId, found ImageId_ClassId,EncodedPixels"),
    (
        TODAY,
        "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\n",
        ", line 1: expected ImageId,EncodedPixels,ClassId, found ImageId,ClassId,EncodedPixels",
    ),
    (PAIRS, "ImageId_ClassId,EncodedPixels\n", ": expected 3 images, as in the sample, found 0"),
    (TODAY, TODAY.replace("c.jpg,1 4,0\n", ""), ": expected 3 images, as in the sample, found 2"),
    (
        TODAY,
        TODAY.replace("b.jpg,1 5,0\n", ""),
        ": expected b.jpg as image 2, as in the sample, found c.jpg",
    ),
    (
        TODAY,
        "ImageId,EncodedPixels,ClassId\nb.jpg,1 5,0\na.jpg,1 6,0\nc.jpg,1 4,0\n",
        ": expected a.jpg as image 1, as in the sample, found b.jpg",
    ),
    (TODAY, TODAY + "d.jpg,1 2,1\n", ": expected the end of the file as image 4, as in the sample, found d.jpg"),
    (TODAY, TODAY + "a.jpg,1 2,1\n", ": expected the end of the file as image 4, as in the sample, found a.jpg"),
    (
        TODAY,
        TODAY.replace("a.jpg,1 6,0", "a.jpg,1 2,1\na.jpg,5 2,1"),
        ": a.jpg: expected each class once, found classes [1, 1]",
    ),
    (
        TODAY,
        TODAY.replace("a.jpg,1 6,0", "a.jpg,1 6,0\na.jpg,1 2,1"),
        ": a.jpg: expected each class once, found classes [0, 1]",
    ),
    (PAIRS, PAIRS.replace("b.jpg_2,\n", ""), ": b.jpg: expected each class once, found classes [1]"),
    (PAIRS, PAIRS.replace("b.jpg_2", "b.jpg_1"), ": b.jpg: expected each class once, found classes [1, 1]"),
    (
        PAIRS,
        PAIRS.replace("a.jpg_2,", "a.jpg_2,6 2"),
        ", line 3: a.jpg: expected runs inside 2×3 = 6 pixels, found 6 2, which ends at 7",
    ),
    (
        PAIRS,
        PAIRS.replace("a.jpg_1,", "a.jpg_1,1 2").replace("a.jpg_2,", "a.jpg_2,2 1"),
        ", line 3: a.jpg: expected masks that do not overlap, found some that do",
    ),
    (
        PAIRS,
        PAIRS.replace("a.jpg_2", "a.jpg_3"),
        ", line 3: expected a class in 1 … 2, found '3' (competition.classes in params.yaml names 2; classes that "
        "are written otherwise need competition.columns.class_labels)",
    ),
    (
        PAIRS,
        PAIRS.replace("a.jpg_2", "a.jpg_0"),
        ", line 3: expected a class in 1 … 2, found '0' (competition.classes in params.yaml names 2; classes that "
        "are written otherwise need competition.columns.class_labels)",
    ),
]


@pytest.mark.parametrize(("text", "submitted", "message"), FAULTS)
def test_faults_of_a_submission(tmp_path: Path, text: str, submitted: str, message: str) -> None:
    """Each way in which a submission can differ from its sample is reported with the file and the image or line."""
    with pytest.raises(UserError) as reported:
        checked(tmp_path, sample(tmp_path, text), submitted)
    assert str(reported.value) == f"{tmp_path / 'submission.csv'}{message}"


def test_the_sample_itself_is_a_submission(tmp_path: Path) -> None:
    """A sample of either form passes `check` as a submission without masks: filler is no mask."""
    for text in (PAIRS, TODAY):
        assert checked(tmp_path, sample(tmp_path, text), text) == {"images": 3, "masks": 0, "class_1": 0, "class_2": 0}


def test_spaces_alone_are_no_mask(tmp_path: Path) -> None:
    """A cell of spaces counts as empty."""
    assert checked(tmp_path, sample(tmp_path, PAIRS), PAIRS.replace("a.jpg_1,", "a.jpg_1,  "))["masks"] == 0


def test_pairs_are_checked_as_pairs(tmp_path: Path) -> None:
    """With the form `pairs`, a submission in the sample's three columns is refused."""
    template = sample(tmp_path, TODAY)
    assert checked(tmp_path, template, WRITTEN_AS_PAIRS, "pairs")["masks"] == 3
    with pytest.raises(UserError, match="line 1: expected ImageId_ClassId,EncodedPixels, found ImageId,EncodedPixels,"):
        checked(tmp_path, template, WRITTEN_AS_TODAY, "pairs")


@pytest.mark.parametrize(
    ("archive", "classes", "size", "images", "columns"),
    [("severstal-sample.zip", 4, (256, 1600), 20, 3), ("steel-900.zip", 3, (200, 200), 179, 2)],
)
def test_real_samples(
    real_data: Path, tmp_path: Path, archive: str, classes: int, size: tuple[int, int], images: int, columns: int
) -> None:
    """The samples of both real archives are followed in both forms, with and without masks."""
    with zipfile.ZipFile(real_data / archive) as opened:
        opened.extract("sample_submission.csv", tmp_path)
        names = {Path(name).name for name in opened.namelist() if name.startswith("test_images/") and name[-1] != "/"}
    path = tmp_path / "sample_submission.csv"
    template = sample_submission.read(path, Layout.unnamed(classes, *size))
    assert (len(template.images), set(template.images), len(template.header)) == (images, names, columns)
    empty, full = np.zeros(size, np.uint8), np.full(size, classes, np.uint8)
    for form in ("sample", "pairs"):
        submission.write(tmp_path / "out.csv", template, itertools.repeat(empty, images), form)
        assert submission.check(tmp_path / "out.csv", template, form)["masks"] == 0
        if form == "sample":  # nothing predicted: the sample itself, letter for letter
            assert (tmp_path / "out.csv").read_text() == path.read_text()
        submission.write(tmp_path / "out.csv", template, itertools.repeat(full, images), form)
        counts = submission.check(tmp_path / "out.csv", template, form)
        assert counts["masks"] == counts[f"class_{classes}"] == images
        rows = images if form == "sample" and columns == 3 else images * classes
        assert len((tmp_path / "out.csv").read_text().splitlines()) == 1 + rows
