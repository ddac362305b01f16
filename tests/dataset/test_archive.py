"""Sources that people have: folders, zips from here and there, lone tables, and damaged ones."""

import gzip
import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.dataset import archive
from stages.dataset.image_paths import HINT
from tests.support.archives import FILES, TEST, TRAIN, USUAL, below, contents, laid, message, zipped


@pytest.mark.parametrize("top", ["", "severstal", "kaggle/input/severstal steel"])
def test_folder_and_zip(tmp_path: Path, target: Path, top: str) -> None:
    """The layout is found at the top or below other folders, and what lies around it stays behind."""
    files = below(top) if top else FILES
    around = {
        "notes.txt": b"x",
        "Icon\r": b"x",
        "other/train_images.txt": b"x",
        f"{top or '.'}/train_images/.cache/d.txt": b"x",
    }
    archive.copy(laid(tmp_path / "source", files | around), target, "the source", USUAL)
    assert contents(target) == FILES
    again = tmp_path / "again"
    again.mkdir()
    archive.copy(zipped(tmp_path / "source.zip", files | around), again, "the source", USUAL)
    assert contents(again) == FILES


def test_zip_made_on_a_mac(tmp_path: Path, target: Path) -> None:
    """The shadow files that a Mac adds are left out."""
    shadows = {"__MACOSX/._train.csv": b"x", "__MACOSX/train_images/._a.jpg": b"x", "s/train_images/._a.jpg": b"x"}
    archive.copy(
        zipped(tmp_path / "source.zip", below("s") | shadows | {"s/.DS_Store": b"x"}), target, "the source", USUAL
    )
    assert contents(target) == FILES


def test_zip_with_entries_for_folders_and_stored(tmp_path: Path, target: Path) -> None:
    """Entries of folders and files without compression are read too."""
    entries = {"train_images/": b"", "empty/": b""} | FILES
    archive.copy(zipped(tmp_path / "source.zip", entries, zipfile.ZIP_STORED), target, "the source", USUAL)
    assert contents(target) == FILES


def test_links_to_another_disk(tmp_path: Path, target: Path) -> None:
    """A folder of images that is a link, as where data is large, is followed."""
    disk = laid(tmp_path / "disk", FILES)
    source = laid(tmp_path / "source", {name: FILES[name] for name in ("train.csv", "sample_submission.csv")})
    for name in ("train_images", "test_images"):
        (source / name).symlink_to(disk / name)
    archive.copy(source, target, "the source", USUAL)
    assert contents(target) == FILES


def test_a_link_to_nowhere(tmp_path: Path, target: Path) -> None:
    """An image that is a broken link is reported, not left out silently."""
    source = laid(tmp_path / "source", FILES)
    (source / "train_images" / "z.jpg").symlink_to(tmp_path / "gone.jpg")
    reported = message(source, target)
    assert reported == f"{source / 'train_images' / 'z.jpg'}: expected a readable file (No such file or directory)"


@pytest.mark.parametrize("name", ["train.csv", "severstal-train-annotations.csv", "train.csv.gz"])
def test_a_lone_table(tmp_path: Path, target: Path, name: str) -> None:
    """A table of any name, packed or not, becomes train.csv."""
    content = FILES["train.csv"]
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    archive.copy(tmp_path / name, target, "the source", USUAL)
    assert contents(target) == {"train.csv": content}


def test_the_tiny_competition(competition_folder: Path, target: Path) -> None:
    """A complete competition is copied whole."""
    archive.copy(competition_folder, target, "the source", USUAL)
    assert contents(target) == contents(competition_folder)
    assert len(contents(target)) == 12 + 3 + 2


@pytest.mark.parametrize(
    ("missing", "parts"),
    [
        ("train_images", [f"expected images that match {TRAIN}, found none"]),
        ("test_images", [f"expected images that match {TEST}, found none"]),
        ("t", ["expected train.csv (competition.files.train_table in params.yaml) in one place, found it in none"]),
        (
            "s",
            ["expected sample_submission.csv (competition.files.sample_submission in params.yaml), found none"],
        ),
        (
            "train_",
            [
                f"expected images that match {TRAIN}, found none",
                "There are the tables sample_submission.csv, train.csv, and 1 image: 1 in test_images",
            ],
        ),
    ],
)
def test_missing_parts(tmp_path: Path, target: Path, missing: str, parts: list[str]) -> None:
    """Each part that is missing is named, in a folder and in a zip, with what is there and the list of recipes."""
    files = {name: content for name, content in FILES.items() if not name.startswith(missing)}
    for source in (laid(tmp_path / "source", files), zipped(tmp_path / "source.zip", files)):
        reported = message(source, target)
        assert all(part in reported for part in parts), reported
        assert reported.endswith(HINT)
    assert contents(target) == {}


def test_another_layout(tmp_path: Path, target: Path) -> None:
    """Where nothing matches, the message shows what is there: folders with their counts, and two examples."""
    files = below("train/a", {"1.jpg": b"", "2.jpg": b""}) | below("test", {"3.jpg": b""}) | {"train.csv": b""}
    assert message(laid(tmp_path / "source", files | {"sample_submission.csv": b""}), target) == (
        f"expected images that match {TRAIN}, found none; expected images that match {TEST}, found none. There are the "
        "tables sample_submission.csv, train.csv, and 3 images: 2 in train/a, 1 in test; such as test/3.jpg and "
        f"train/a/2.jpg. {HINT}"
    )


def test_a_lone_table_in_a_zip(tmp_path: Path, target: Path) -> None:
    """A zip of train.csv alone, as the browser saves it, lacks the rest."""
    reported = message(zipped(tmp_path / "train.csv.zip", {"train.csv": b"x"}), target)
    assert "found none; expected sample_submission.csv (competition.files.sample_submission in params.yaml)" in reported
    assert "There are the tables train.csv, and among 1 files (train.csv) no image that ends in .jpg, " in reported


def test_two_competitions_in_one_folder(tmp_path: Path, target: Path) -> None:
    """Where there are two layouts, none is guessed."""
    source = laid(tmp_path / "source", below("one") | below("two"))
    assert message(source, target) == (
        "expected train.csv (competition.files.train_table in params.yaml) in one place, found it in 2 of them: "
        "one/, two/"
    )


def test_a_file_of_another_kind(tmp_path: Path, target: Path) -> None:
    """For another archive or an empty file, the message lists what can be read."""
    for name, content in (("source.tar.gz", gzip.compress(b"x")), ("source.zip", b""), ("page.zip", b"<html>")):
        (tmp_path / name).write_bytes(content)
        reported = message(tmp_path / name, target)
        assert reported == "expected a folder, a zip, a .csv or a .csv.gz, found a file of another kind"


def test_nothing_there(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute path that is wrong needs no advice; a relative one is reported with its starting folder."""
    expected = "expected a folder, a zip, a .csv or a .csv.gz, found nothing there"
    assert message(tmp_path / "none.zip", target) == expected
    monkeypatch.chdir(tmp_path)
    assert message(Path("../none.zip"), target) == f"{expected} (seen from {tmp_path})"


def test_a_relative_path_in_a_queued_experiment(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In DVC's copy of the repository, the user learns why the path that is right at home is wrong here."""
    folder = tmp_path / ".dvc" / "tmp" / "exps" / "tmpabc"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    reported = message(Path("../data.zip"), target)
    assert reported.startswith("expected a folder, a zip, a .csv or a .csv.gz, found nothing there (seen from ")
    assert reported.endswith("give download.source as an absolute path)")
    assert "a queued experiment, or one with --temp, runs in a copy of the repository" in reported


def test_digest_of_a_file(tmp_path: Path) -> None:
    """A file's digest is its size and its SHA-256, as sha256sum gives it, also beyond one block of reading."""
    content = bytes(range(256)) * 5_000
    (tmp_path / "a.zip").write_bytes(content)
    assert archive.digest(tmp_path / "a.zip") == archive.Digest(1_280_000, hashlib.sha256(content).hexdigest())


def test_digest_of_a_folder(tmp_path: Path) -> None:
    """A folder's digest follows names and contents, not places or the order of writing."""
    first = archive.digest(laid(tmp_path / "first", FILES))
    assert first.size == sum(map(len, FILES.values()))
    assert archive.digest(laid(tmp_path / "second", dict(reversed(FILES.items())))) == first
    renamed = FILES | {"train_images/z.jpg": FILES["train_images/b.jpg"]}
    del renamed["train_images/b.jpg"]
    altered = FILES | {"train_images/b.jpg": b"C"}
    digests = {archive.digest(laid(tmp_path / str(n), files)).sha256 for n, files in enumerate((renamed, altered))}
    assert len(digests | {first.sha256}) == 3


@pytest.mark.parametrize(("name", "images", "rows"), [("severstal-sample.zip", 58, 45), ("steel-900.zip", 720, 720)])
def test_real_archives(real_data: Path, target: Path, name: str, images: int, rows: int) -> None:
    """Both real archives are unpacked, byte for byte."""
    archive.copy(real_data / name, target, name, USUAL)
    copied = contents(target)
    assert sum(path.startswith("train_images/") for path in copied) == images
    with zipfile.ZipFile(real_data / name) as opened:
        assert {path: len(content) for path, content in copied.items()} == {
            entry.filename: entry.file_size for entry in opened.infolist() if not entry.is_dir()
        }
    table = copied["train.csv"].decode().splitlines()
    assert sum(not line.endswith(",") for line in table[1:]) == rows


def test_images_in_deeper_folders_are_reported(tmp_path: Path, target: Path) -> None:
    """They would be missing without a word otherwise."""
    source = laid(tmp_path / "source", FILES | {"train_images/2019/d.JPG": b"x", "train_images/2020/e.png": b"x"})
    assert message(source, target) == (
        f"expected images in train_images/ itself ({TRAIN}), found 2 in folders below, such as train_images/2019/d.JPG"
    )


def test_a_zip_in_a_zip_stays_one(tmp_path: Path, target: Path) -> None:
    """An image that is a zip is copied, and reported when images are read."""
    inner = zipped(tmp_path / "inner.zip", {"a.jpg": bytes(1_000_000)}).read_bytes()
    archive.copy(zipped(tmp_path / "source.zip", FILES | {"train_images/z.jpg": inner}), target, "the source", USUAL)
    assert contents(target) == FILES | {"train_images/z.jpg": inner}


def test_what_is_no_file_in_a_folder(tmp_path: Path, target: Path) -> None:
    """A pipe, which would block for ever, a device and a folder with an image's name are reported."""
    kinds: list[Callable[[Path], None]] = [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir]
    for number, make in enumerate(kinds):
        source = laid(tmp_path / f"source_{number}", FILES)
        path = source / "train_images" / "z.jpg"
        make(path)
        assert message(source, target) == f"{path}: expected a file, found a folder, a pipe or a device"


@pytest.mark.parametrize("name", ["a b.jpg", "re\u0301.jpg", "r\u00e9.jpg", "钢板.JPG", "می\u200cخواهم.jpeg"])
def test_names_in_any_script(tmp_path: Path, target: Path, name: str) -> None:
    """They stay letter by letter what they are, from a folder and from a zip."""
    files = FILES | {f"train_images/{name}": b"x"}
    archive.copy(zipped(tmp_path / "source.zip", files), target, "the source", USUAL)
    assert contents(target) == files
    again = tmp_path / "again"
    again.mkdir()
    archive.copy(laid(tmp_path / "source", files), again, "the source", USUAL)
    assert contents(again) == files
