"""Which file of a source becomes which: patterns, ids, zips that are worth opening."""

from dataclasses import dataclass, replace

import pytest

from stages.dataset import image_paths
from stages.dataset.layout import Files
from stages.dataset.path_patterns import Pattern
from stages.pipeline.cli import UserError

TGS = Files(r"train/images/([^/]+)\.png", r"test/images/([^/]+)\.png")
TABLES = ["train.csv", "sample_submission.csv"]


@dataclass(frozen=True)
class Entry:
    """A file of a source."""

    path: str

    @property
    def shown(self) -> str:
        """As in a folder called src."""
        return f"src/{self.path}"


def arranged(paths: list[str], files: Files) -> dict[str, str]:
    """File by its place in data/raw."""
    return {wanted: entry.path for wanted, entry in image_paths.arrange([Entry(path) for path in paths], files)}


def message(paths: list[str], files: Files) -> str:
    """The message about paths that are refused."""
    with pytest.raises(UserError) as reported:
        arranged(paths, files)
    return str(reported.value)


@pytest.mark.parametrize(
    ("pattern", "path", "name"),
    [
        ("train_images/([^/]+)", "train_images/a.jpg", "a.jpg"),
        ("train_images/([^/]+)", "train_images/a.JPG", "a.JPG"),
        (r"train/([^/]+)\.png", "train/a.b.png", "a.b.png"),
        (r"train/([^/]+)\.png", "deeper/train/a.png", None),  # the whole path counts
        (r"scans/(?:.*/)?([^/]+)\.dcm", "scans/x/y/1.2.3.dcm", "1.2.3.dcm"),
        (r"(case\d+)/(?:(left)|right)/(\d+).*", "case1/right/07_266.png", "case1_07.png"),  # a group that is not there
        (r"(case\d+)/(?:(left)|right)/(\d+).*", "case1/left/07_266.png", "case1_left_07.png"),
    ],
)
def test_names(pattern: str, path: str, name: str | None) -> None:
    """The groups make the id; the file's extension is added once."""
    assert Pattern("train_images", pattern, "_").name(path) == name


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("train_images/([^/]+)", "train_images/"),
        (r"train/images/([^/]+)\.png", "train/images/"),
        (r"a\.b/c*(.)", "a.b/"),
        (r"a\.?(.)", "a"),
        (r"case\d+/(.)", "case"),
        ("ab{2}(.)", "a"),
        ("ab+(.)", "ab"),
        ("(a)/b", ""),
        ("x/(a)|y/(b)", ""),
        ("(?i)train/(.)", ""),
    ],
)
def test_literal_beginnings(pattern: str, literal: str) -> None:
    """What every matching path begins with is never guessed too long."""
    assert Pattern("train_images", pattern, "_").literal == literal


def test_uw_madison() -> None:
    """Groups from folder and file name make one id; test images may be absent where they are hidden."""
    slices = r"case\d+/(case\d+_day\d+)/scans/(slice_\d+)_.*\.png"
    files = Files(f"train/{slices}", f"test/{slices}", hidden_test=True)
    paths = [*TABLES, *(f"train/case2/case2_day1/scans/slice_000{n}_266_266_1.50_1.50.png" for n in (1, 2))]
    assert arranged(paths, files) == {
        "sample_submission.csv": "sample_submission.csv",
        "train.csv": "train.csv",
        "train_images/case2_day1_slice_0001.png": paths[2],
        "train_images/case2_day1_slice_0002.png": paths[3],
    }
    assert "expected images that match competition.files.test_images: test/case" in message(
        paths, replace(files, hidden_test=False)
    )


def test_tables_in_folders() -> None:
    """Their paths are relative to the same folder as those of images."""
    files = replace(TGS, train_table="csv/masks.csv", sample_submission="forms/sample.csv")
    paths = ["k/csv/masks.csv", "k/forms/sample.csv", "k/train/images/a.png", "k/test/images/b.png", "k/train.csv"]
    assert arranged(paths, files) == {
        "train.csv": paths[0], "sample_submission.csv": paths[1], "train_images/a.png": paths[2],
        "test_images/b.png": paths[3],
    }  # fmt: skip


def test_one_id_twice() -> None:
    """Both files and the pattern are named."""
    files = replace(TGS, train_images=r"train/[ab]/([^/]+)\.png")
    paths = [*TABLES, "train/a/1.png", "train/b/1.png", "test/images/2.png"]
    assert message(paths, files) == (
        "expected one file for '1', found src/train/a/1.png and src/train/b/1.png "
        r"(competition.files.train_images: train/[ab]/([^/]+)\.png)"
    )


def test_one_id_of_two_formats() -> None:
    """An id without extension that a JPEG and a PNG give is one id, although two names would follow."""
    files = replace(TGS, train_images=r"train/([^/]+)\.\w+")
    assert "expected one file for 'a', found src/train/a.jpg and src/train/a.png" in message(
        [*TABLES, "train/a.jpg", "train/a.png", "test/images/2.png"], files
    )


def test_an_image_for_both() -> None:
    """A test image that is trained on would go unnoticed."""
    files = Files("images/(.+)", r"(.+)\.png")
    assert message([*TABLES, "images/a.png"], files).startswith(
        "expected each image for training or for testing, found 'images/a.png' for both"
    )


@pytest.mark.parametrize(("pattern", "found"), [("train/(.*)", "'x/a.png'"), (r"train/x/a()\.png", "''")])
def test_ids_that_are_no_file_names(pattern: str, found: str) -> None:
    """A group that holds a slash, or nothing."""
    assert f"found {found} for 'train/x/a.png' (competition.files.train_images: {pattern})" in message(
        [*TABLES, "train/x/a.png", "test/images/2.png"], replace(TGS, train_images=pattern)
    )


def test_masks_in_a_folder_below_are_no_lost_images() -> None:
    """They have the names of images that are there; an image of another name would be lost."""
    files = Files("train/([^/]+)", "test/([^/]+)")
    paths = [*TABLES, "train/a.png", "test/b.png", "train/masks/a.png"]
    assert "train_images/a.png" in arranged(paths, files)
    assert message([*paths, "train/more/c.png"], files).endswith("found 1 in folders below, such as train/more/c.png")


@pytest.mark.parametrize(
    ("paths", "opened"),
    [
        (["train.csv", "train.zip", "test.zip", "train_hq.zip", "masks.zip"], ["train.zip", "test.zip"]),
        (["k/train.csv", "k/train.zip", "train.zip"], ["k/train.zip"]),
        (["train.csv.zip", "sample_submission.csv.zip", "depths.csv.zip"], [f"{table}.zip" for table in TABLES]),
        (["train.csv", "train/images.zip", "train/masks.zip"], ["train/images.zip"]),
        (["everything.zip", "notes.txt"], ["everything.zip"]),  # no table outside
        (["a/train.csv", "b/train.csv", "a/train.zip"], []),  # refused later
        (["train.csv", "train.zip", "train/images/a.png", "__MACOSX/test.zip", ".test.zip"], []),  # unpacked beside it
        (["train.csv", "train.zip", "train/readme.txt"], ["train.zip"]),
        (["train.csv", "train.csv.zip"], []),
    ],
)  # fmt: skip
def test_zips_that_may_matter(paths: list[str], opened: list[str]) -> None:
    """Only zips that may hold an image or a table are opened, and those whose content is not there unpacked."""
    assert image_paths.zips_to_open(paths, TGS) == opened


def test_any_zip_matters_without_a_literal_beginning() -> None:
    """Where nothing is known about the paths, nothing is left out."""
    files = replace(TGS, train_images=r"(?:.*/)?([^/]+)_x\.png")
    assert image_paths.zips_to_open(["train.csv", "masks.zip"], files) == ["masks.zip"]


@pytest.mark.parametrize("letters", ["x", "é"])
def test_names_that_are_too_long(letters: str) -> None:
    """Told when the archive is read: NAME.png must be a file name, of 255 bytes, with the groups of an id joined."""
    files = Files("train/(.*)/(.*)\\.png", "test/(.*)/(.*)\\.png")
    size = len(letters.encode())
    tables = ["train.csv", "sample_submission.csv", "test/a/b.png"]
    fits = f"train/{letters * (200 // size)}/{'y' * 46}.png"  # with _ and .png 251 bytes
    name = f"train_images/{letters * (200 // size)}_{'y' * 46}.png"
    assert arranged([*tables, fits], files)[name] == fits
    message_of_one_more = message([*tables, fits.replace("yy", "yyy", 1)], files)
    assert message_of_one_more.startswith("expected names of images of at most 251 bytes, found 252: ")
    assert len(message_of_one_more) < 250


@pytest.mark.parametrize(("one", "other"), [("a.png", "A.png"), ("a.png", "a.PNG"), ("\u00e9.png", "e\u0301.png")])
def test_names_that_share_a_file_on_some_system(one: str, other: str) -> None:
    """The second would replace the first on macOS or Windows, so they are refused everywhere."""
    paths = [*TABLES, f"train_images/{one}", f"train_images/{other}", "test_images/a.png"]
    found = message(paths, Files())
    assert "macOS and Windows" in found or "expected one file for" in found
    assert f"src/train_images/{one} and src/train_images/{other}" in found


def test_folders_of_their_own() -> None:
    """A training and a test image may have such names: nothing stores them side by side."""
    arranged([*TABLES, "train_images/a.png", "test_images/A.png"], Files())
