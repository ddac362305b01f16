"""Bad images and bad tables through the real stages: a fault is reported in words that suffice to mend it.

A fault is put into a complete tiny competition, and the stages run that need no TensorFlow. One of them has to end with
a message that names file, line or image, what was expected and what was found; nothing of it may be left.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import validation
from stages.dataset.prepared import Dataset
from tests.support import tiny

Change = Callable[[Path], object]
IMAGE, TEST_IMAGE = "train_images/train_04.jpg", "test_images/test_1.jpg"
SIZE = "expected 32×64 pixels (competition.image_height, image_width), found "
RAW = "data/raw/"
HEADER = "ImageId,ClassId,EncodedPixels\n"
PAIRS = "ImageId_ClassId,EncodedPixels\n"


def bytes_of(suffix: str, height: int, width: int, *options: int) -> bytes:
    """An even grey picture."""
    return cv2.imencode(suffix, np.full((height, width), 90, np.uint8), options)[1].tobytes()


def cut(path: Path) -> None:
    """Leave half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def holed(path: Path) -> None:
    """Zeros in the middle of a JPEG."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-700] + bytes(600) + whole[-100:])


def absurd(path: Path) -> None:
    """A PNG of a few bytes whose header says 10,000×10,000."""
    content = bytearray(bytes_of(".png", 8, 8))
    content[16:24] = (10_000).to_bytes(4, "big") * 2
    path.write_bytes(content)


def write(content: bytes) -> Change:
    """Put other bytes into a file."""
    return lambda path: path.write_bytes(content)


def folder(path: Path) -> None:
    """Put a folder in a file's place."""
    path.unlink()
    path.mkdir()


IMAGE_FAULTS: dict[str, tuple[Change, str]] = {
    "cut off": (cut, "expected a whole JPEG, found one that is cut off or damaged: Premature end of JPEG file"),
    "empty": (write(b""), "expected one of JPEG, PNG, TIFF, BMP, DICOM, found 0 bytes that begin as none of them"),
    "text": (write(b"<html>Sign in"), "expected one of JPEG, PNG, TIFF, BMP, DICOM, found 13 bytes that begin as none"),
    "another format": (
        write(b"GIF89a"),
        "expected one of JPEG, PNG, TIFF, BMP, DICOM, found 6 bytes that begin as none",
    ),
    "16 bits": (
        write(cv2.imencode(".png", np.full((32, 64), 900, np.uint16))[1].tobytes()),
        "expected 8 bits per channel, found uint16 with values of 900 … 900: set competition.images.levels",
    ),
    "colours": (
        write(cv2.imencode(".png", np.full((32, 64, 3), (9, 90, 200), np.uint8))[1].tobytes()),
        "expected grey levels (competition.images.channels: 1), found colours: set channels to 3",
    ),
    "damaged inside": (holed, "expected a whole JPEG, found one that is cut off or damaged: "),
    "wrong size": (write(bytes_of(".jpg", 32, 65)), SIZE + "32×65"),
    "turned": (write(bytes_of(".jpg", 64, 32)), SIZE + "64×32"),
    "absurd size": (absurd, SIZE + "10000×10000"),
}


@pytest.mark.parametrize("fault", IMAGE_FAULTS)
def test_bad_training_images(competition_folder: Path, tmp_path: Path, fault: str) -> None:
    """`preprocess` reports the file, what was expected and what was found, and leaves nothing."""
    change, message = IMAGE_FAULTS[fault]
    change(competition_folder / IMAGE)
    length = (competition_folder / IMAGE).stat().st_size
    project = tiny.project(tmp_path / "project", competition_folder)
    stage, reported = tiny.run(project, ("download", "preprocess"))
    assert stage == "preprocess", reported
    fault_line = f"preprocess: the data has 1 fault(s):\n  {RAW}{IMAGE}: {message.format(length=length)}"
    assert reported.startswith(fault_line)
    assert reported.endswith(f"\n  {validation.HOW_TO_CORRECT}")
    assert reported.count("\n") in (2, 3)
    assert tiny.left(project, "preprocess") == []


@pytest.mark.parametrize("fault", IMAGE_FAULTS)
def test_bad_test_images(competition_folder: Path, tmp_path: Path, fault: str) -> None:
    """`check_data` reads test images as `infer_test` does, long before it, and reports the same."""
    change, message = IMAGE_FAULTS[fault]
    change(competition_folder / TEST_IMAGE)
    length = (competition_folder / TEST_IMAGE).stat().st_size
    project = tiny.project(tmp_path / "project", competition_folder)
    stage, reported = tiny.run(project, ("download", "preprocess", "check_data"))
    assert stage == "check_data", reported
    fault_line = f"check_data: the data has 1 fault(s):\n  {RAW}{TEST_IMAGE}: {message.format(length=length)}"
    assert reported.startswith(fault_line)
    assert tiny.left(project, "check_data") == []


def test_a_folder_with_an_images_name(competition_folder: Path, tmp_path: Path) -> None:
    """`download` reports it instead of leaving it out."""
    folder(competition_folder / IMAGE)
    project = tiny.project(tmp_path / "project", competition_folder)
    stage, reported = tiny.run(project, ["download"])
    assert stage == "download"
    assert reported.endswith(f"{competition_folder / IMAGE}: expected a file, found a folder, a pipe or a device")
    assert tiny.left(project, "download") == []


def colour(path: Path) -> None:
    """The same grey levels in three channels, without loss, under the same name."""
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    path.write_bytes(cv2.imencode(".png", cv2.merge([grey, grey, grey]))[1].tobytes())


def turned_by_exif(path: Path) -> None:
    """A note that a viewer should turn the picture by 90°."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    raw = path.read_bytes()
    path.write_bytes(raw[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + raw[2:])


def table(*changes: tuple[str, str]) -> Change:
    """Replace text in train.csv."""

    def change(competition: Path) -> None:
        path = competition / "train.csv"
        text = path.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_bytes(text.encode())

    return change


def renamed(name: str) -> Change:
    """Another name for an image, in the folder and in the table."""

    def change(competition: Path) -> None:
        (competition / IMAGE).rename(competition / "train_images" / name)
        table(("train_04.jpg", name))(competition)

    return change


def as_in_2019(competition: Path) -> None:
    """A row per image and class, empty where there is no mask, the columns in the older form."""
    with (competition / "train.csv").open(encoding="utf-8") as file:
        masks = {(row["ImageId"], row["ClassId"]): row["EncodedPixels"] for row in csv.DictReader(file)}
    names = sorted(os.listdir(competition / "train_images"))
    rows = [f"{name}_{k},{masks.get((name, str(k)), '')}\n" for name in names for k in (1, 2, 3, 4)]
    (competition / "train.csv").write_text(PAIRS + "".join(rows), encoding="utf-8")


HARMLESS: dict[str, Change] = {
    "grey stored as colour, in a PNG named JPEG": lambda competition: colour(competition / IMAGE),
    "turned by EXIF": lambda competition: turned_by_exif(competition / IMAGE),
    "spaces in a name": renamed("train_04 (copy 2).jpg"),
    "upper case": renamed("train_04.JPG"),
    "another script": renamed("train_04钢板.jpg"),
    "composed": renamed("train_04\u00e9.jpg"),
    "decomposed": renamed("train_04e\u0301.jpg"),
    "a byte order mark": table(("ImageId,", "\ufeffImageId,")),
    "line ends of Windows": table(("\n", "\r\n")),
    "quotes": table(("train_04.jpg,3", '"train_04.jpg","3"')),
    "empty lines": table(("train_04", "\n\ntrain_04")),
    "empty masks": table((HEADER, HEADER + "train_09.jpg,1,\ntrain_10.jpg,2,  \n")),
    "the form of 2019": as_in_2019,
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_no_fault(competition_folder: Path, tmp_path: Path, case: str) -> None:
    """The prepared data are those of the unchanged competition, pixel for pixel."""
    plain = tiny.project(tmp_path / "plain", competition_folder)
    assert tiny.run(plain, ("download", "preprocess"))[0] is None
    HARMLESS[case](competition_folder)
    changed = tiny.project(tmp_path / "changed", competition_folder)
    stage, reported = tiny.run(changed, ("download", "preprocess"))
    assert stage is None, reported
    expected, found = Dataset(plain / "data/prepared"), Dataset(changed / "data/prepared")
    assert [sample.pixels for sample in found.index] == [sample.pixels for sample in expected.index]
    for position in range(12):
        np.testing.assert_array_equal(found.labels[position], expected.labels[position])
        np.testing.assert_array_equal(found.images[position], expected.images[position])


def row(text: str) -> Change:
    """A row more at the table's end, its line 13 (11 masks above it)."""

    def change(competition: Path) -> None:
        with (competition / "train.csv").open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    return change


def content(text: str) -> Change:
    """Another table altogether."""
    return lambda competition: (competition / "train.csv").write_bytes(text.encode())


LINE = f"{RAW}train.csv, line 12"
RUNS = f"{LINE}: train_09.jpg, class 1: expected "
# Of each fault: how to make it, what `preprocess` reports, and whether `explore` stops at it too.
TABLE_FAULTS: dict[str, tuple[Change, str, bool]] = {
    "empty table": (
        content(""),
        f"{RAW}train.csv, line 1: expected the columns {HEADER.strip()} (or {PAIRS.strip()})",
        True,
    ),
    "no header": (content("a.jpg,1,1 2\n"), "(competition.columns in params.yaml), found 'a.jpg,1,1 2'", True),
    "a missing column": (content("ImageId,EncodedPixels\n"), "found 'ImageId,EncodedPixels'", True),
    "a column twice": (content(HEADER.strip() + ",ClassId\n"), "found 'ImageId,ClassId,EncodedPixels,ClassId'", True),
    "semicolons": (content(HEADER.replace(",", ";")), "found 'ImageId;ClassId;EncodedPixels'", True),
    "a missing field": (row("train_09.jpg,1"), f"{LINE}: expected 3 fields, found 2", True),
    "a further field": (row("train_09.jpg,1,1 2,"), f"{LINE}: expected 3 fields, found 4", True),
    "a path": (row("../x.jpg,1,1 2"), f"{LINE}: expected an image's id, found '../x.jpg'", True),
    "an unclosed quote": (row('"train_09.jpg,1,1 2'), f"{LINE}: expected CSV, found: unexpected end of data", True),
    "another encoding": (
        lambda competition: (competition / "train.csv").write_bytes(HEADER.encode("utf-16")),
        f"{RAW}train.csv, line 1: expected CSV in UTF-8, found b'\\xff'",
        True,
    ),
    "unknown class": (row("train_09.jpg,5,1 2"), f"{LINE}: expected a class in 1 … 4, found '5'", True),
    "class 0": (row("train_09.jpg,0,1 2"), f"{LINE}: expected a class in 1 … 4, found '0'", True),
    "a huge class": (
        row(f"train_09.jpg,{2**64 + 1},1 2"),
        "expected a class in 1 … 4, found '18446744073709551617'",
        True,
    ),
    "NaN": (row("train_09.jpg,1,NaN"), RUNS + "whole numbers separated by spaces, found 'NaN'", True),
    "-1": (row("train_09.jpg,1,-1"), RUNS + "whole numbers separated by spaces, found '-1'", True),
    "negative": (row("train_09.jpg,1,-5 3"), RUNS + "whole numbers separated by spaces, found '-5'", True),
    "no number": (row("train_09.jpg,1,1 x"), RUNS + "whole numbers separated by spaces, found 'x'", True),
    "odd": (row("train_09.jpg,1,1 2 3"), RUNS + "pairs of start and length, found 3 numbers, an odd count", True),
    "huge": (
        row(f"train_09.jpg,1,1 {2**64 + 1}"),
        RUNS + "every length in 1 … 2048 (32×64 pixels), found 18446744073709551617",
        True,
    ),
    "start 0": (row("train_09.jpg,1,0 3"), RUNS + "every start in 1 … 2048 (32×64 pixels), found 0", True),
    "no length": (row("train_09.jpg,1,1 0"), RUNS + "every length in 1 … 2048 (32×64 pixels), found 0", True),
    "past the end": (
        row("train_09.jpg,1,2047 3"),
        RUNS + "runs inside 32×64 = 2048 pixels, found 2047 3, which ends at 2049",
        True,
    ),
    "overlapping": (
        row("train_09.jpg,1,1 5 3 9"),
        RUNS + "ascending runs that do not overlap, found 1 5 followed by 3 9, which overlaps",
        True,
    ),
    "unsorted": (
        row("train_09.jpg,1,9 1 1 2"),
        RUNS + "ascending runs that do not overlap, found 9 1 followed by 1 2, which is not ascending",
        True,
    ),
    "twice": (
        row("train_04.jpg,3,1 2"),
        f"{LINE}: expected one row for train_04.jpg and class 3, found another on line 6",
        False,
    ),
    "no such image": (
        row("train_99.jpg,1,1 2"),
        f"{LINE}: expected an image in {RAW}train_images, found no train_99.jpg",
        False,
    ),
    "the name in upper case": (
        row("TRAIN_09.jpg,1,1 2"),
        f"{LINE}: expected an image in {RAW}train_images, found no TRAIN_09.jpg but train_09.jpg",
        False,
    ),
}


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_bad_tables(competition_folder: Path, tmp_path: Path, fault: str) -> None:
    """`preprocess`, and `explore` where it cannot go on, report file, line, expected and found, and leave nothing."""
    change, message, also_explore = TABLE_FAULTS[fault]
    change(competition_folder)
    project = tiny.project(tmp_path / "project", competition_folder)
    assert tiny.run(project, ["download"])[0] is None
    for stage in ("preprocess", "explore") if also_explore else ("preprocess",):
        failed, reported = tiny.run(project, [stage])
        assert failed == stage, reported
        assert message in reported
        assert reported.endswith(f"\n  {validation.HOW_TO_CORRECT}")
        assert reported.count("\n") <= 3
        assert tiny.left(project, stage) == []


def test_several_faults_are_reported_at_once(competition_folder: Path, tmp_path: Path) -> None:
    """Images and rows in one list, so that one run is enough to mend them."""
    cut(competition_folder / IMAGE)
    write(b"")(competition_folder / "train_images/train_07.jpg")
    row("train_99.jpg,1,1 2\ntrain_09.jpg,1,1")(competition_folder)
    project = tiny.project(tmp_path / "project", competition_folder)
    stage, reported = tiny.run(project, ("download", "preprocess"))
    assert (stage, reported.splitlines()[0]) == ("preprocess", "preprocess: the data has 4 fault(s):")
    assert len(reported.splitlines()) == 6


def without_masks(competition: Path) -> None:
    """The form of 2019 with every mask empty, as a join that went wrong leaves it."""
    names = sorted(os.listdir(competition / "train_images"))
    rows = [f"{name}_{k},\n" for name in names for k in (1, 2, 3, 4)]
    (competition / "train.csv").write_text(PAIRS + "".join(rows), encoding="utf-8")


@pytest.mark.parametrize("change", [content(HEADER), without_masks], ids=["no rows", "only empty masks"])
def test_a_table_without_any_mask(competition_folder: Path, tmp_path: Path, change: Change) -> None:
    """It can be explored; preprocess refuses it, because there is nothing to learn."""
    change(competition_folder)
    project = tiny.project(tmp_path / "project", competition_folder)
    stage, reported = tiny.run(project, ("download", "explore"))
    assert (stage, "explore: 0 masks" in reported) == (None, True)
    stage, reported = tiny.run(project, ["preprocess"])
    assert (stage, reported) == (
        "preprocess",
        f"preprocess: {RAW}train.csv: expected at least one mask, found none: every EncodedPixels is empty or there "
        f"are no rows\n  {validation.HOW_TO_CORRECT}",
    )
    assert tiny.left(project, "preprocess") == []


SAMPLES = {
    "missing images": (
        "ImageId,EncodedPixels,ClassId\ntest_0.jpg,1 2048,0\ntest_7.jpg,1 2048,0\ntest_8.jpg,1 2048,0\n",
        f"expected images of {RAW}test_images, found 2 of 3 that are not there, such as test_7.jpg",
    ),
    "a name in other letters": (
        "ImageId,EncodedPixels,ClassId\nTest_0.JPG,1 2048,0\n",
        f"expected images of {RAW}test_images, found 1 of 1 that are not there, such as Test_0.JPG but test_0.jpg",
    ),
    "no rows": (
        "ImageId,EncodedPixels,ClassId\n",
        "expected a row for every test image, found none (a sample that holds only its header needs "
        "competition.files.hidden_test: true)",
    ),
    "a class of the filler": (
        "ImageId,EncodedPixels,ClassId\ntest_0.jpg,1 2048,1\n",
        "test_0.jpg: expected a filler row of class 0, found class 1",
    ),
    "a missing class": (
        PAIRS + "test_0.jpg_1,\n",
        "test_0.jpg: expected a row for each of the classes 1, 2, 3, 4 (competition.classes in params.yaml), found 1",
    ),
}


@pytest.mark.parametrize("fault", SAMPLES)
def test_bad_sample_submissions(competition_folder: Path, tmp_path: Path, fault: str) -> None:
    """They are reported before anything is trained, by `preprocess`."""
    text, message = SAMPLES[fault]
    (competition_folder / "sample_submission.csv").write_text(text, encoding="utf-8")
    project = tiny.project(tmp_path / "project", competition_folder)
    stage, reported = tiny.run(project, ("download", "preprocess"))
    choice = "if the data is right, change params.yaml; otherwise\n  " if "competition." in message else ""
    assert (stage, reported) == (
        "preprocess",
        f"preprocess: {RAW}sample_submission.csv: {message}\n  {choice}{validation.HOW_TO_CORRECT}",
    )
    assert tiny.left(project, "preprocess") == []


@pytest.mark.parametrize(("stage", "change"), [("preprocess", row("train_09.jpg,1,1")), ("download", folder)])
def test_as_people_see_it(competition_folder: Path, tmp_path: Path, stage: str, change: Change) -> None:
    """A process of its own ends with status 1, the message alone on stderr besides progress, and no traceback."""
    change(competition_folder / IMAGE if stage == "download" else competition_folder)
    project = tiny.project(tmp_path / "project", competition_folder)
    if stage == "preprocess":
        assert tiny.run(project, ["download"])[0] is None
    command = [sys.executable, "-m", f"stages.{stage}"]
    environment = os.environ | {"PYTHONPATH": str(tiny.ROOT)}
    result = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert f"{stage}: " in result.stderr
    assert ": expected " in result.stderr.splitlines()[-2 if stage == "preprocess" else -1]
    assert tiny.left(project, stage) == []
