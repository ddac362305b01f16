"""Sources that people have: folders, zips from here and there, lone tables, and damaged ones."""

import copy
import gzip
import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.dataset import archive, zip_checks, zips
from stages.dataset.image_paths import HINT
from stages.dataset.layout import Files
from stages.pipeline.cli import UserError

USUAL = Files()
TRAIN, TEST = (
    "competition.files.train_images: train_images/([^/]+)",
    "competition.files.test_images: test_images/([^/]+)",
)
FILES = {
    "train_images/a.jpg": b"A" * 999,
    "train_images/b.jpg": b"B",
    "test_images/c.jpg": b"",
    "train.csv": b"ImageId,ClassId,EncodedPixels\n",
    "sample_submission.csv": b"ImageId,EncodedPixels,ClassId\n",
}
NUMBERS = "".join(f"{number},{number**3}\n" for number in range(300)).encode()  # about 1,400 bytes when packed


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to copy into."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip with these files."""
    with zipfile.ZipFile(path, "w", compression) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return path


def below(top: str, files: dict[str, bytes] = FILES) -> dict[str, bytes]:
    """The same files below one folder more."""
    return {f"{top}/{name}": content for name, content in files.items()}


def message(source: Path, target: Path, files: Files = USUAL) -> str:
    """The message about a source that is refused."""
    with pytest.raises(UserError) as reported:
        archive.copy(source, target, "the source", files)
    assert str(reported.value).startswith("the source: ")
    return str(reported.value).removeprefix("the source: ")


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


@pytest.mark.parametrize("entry", ["../outside.jpg", "/etc/outside.jpg", "train_images/../../outside.jpg", "a\\..\\b"])
def test_entries_outside_are_refused(tmp_path: Path, target: Path, entry: str) -> None:
    """A zip with an entry that points outside is refused before anything is written."""
    source = zipped(tmp_path / "source.zip", FILES | {entry: b"x"})
    assert message(source, target) == f"expected entries inside the archive's folder, found {entry!r}"
    assert contents(target) == {}
    assert not (tmp_path / "outside.jpg").exists()


def test_a_zip_with_damaged_contents(tmp_path: Path, target: Path) -> None:
    """Whichever byte of a file's contents is damaged, the zip is refused and the user reported."""
    raw = zipped(tmp_path / "source.zip", FILES | {"train_images/a.jpg": NUMBERS}).read_bytes()
    source = tmp_path / "damaged.zip"
    for position in range(60, 1_000, 30):
        source.write_bytes(raw[:position] + bytes([raw[position] ^ 0xFF]) + raw[position + 1 :])
        assert message(source, target).startswith("expected a whole zip, found a damaged one (")


@pytest.mark.parametrize("suffix", [".zip", ".jpg"])
def test_a_zip_that_was_cut_off(tmp_path: Path, target: Path, suffix: str) -> None:
    """Half a download is reported as cut off, not as a file of another kind."""
    raw = zipped(tmp_path / "source.zip", FILES).read_bytes()
    source = tmp_path / f"half{suffix}"
    for length in (4, len(raw) // 2, len(raw) - 30):
        source.write_bytes(raw[:length])
        assert message(source, target) == f"expected a whole zip, found {length} bytes without the end: it was cut off"


def test_a_zip_with_a_password(tmp_path: Path, target: Path) -> None:
    """A zip whose entries are encrypted ends in a message."""
    raw = bytearray(zipped(tmp_path / "source.zip", FILES).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # set the bit that marks an encrypted entry
        position = raw.find(signature)
        while position >= 0:
            raw[position + flags] |= 1
            position = raw.find(signature, position + 4)
    (tmp_path / "source.zip").write_bytes(raw)
    assert "password required" in message(tmp_path / "source.zip", target)


def test_a_damaged_packed_table(tmp_path: Path, target: Path) -> None:
    """A .csv.gz that is cut off, altered anywhere, or not packed at all is refused."""
    raw = gzip.compress(NUMBERS)
    altered = [
        raw[:position] + bytes([raw[position] ^ 0xFF]) + raw[position + 1 :] for position in range(20, len(raw), 50)
    ]
    source = tmp_path / "train.csv.gz"
    for content in (raw[:-20], raw[: len(raw) // 2], b"ImageId,ClassId\n", *altered):
        source.write_bytes(content)
        assert message(source, target).startswith("expected a whole .csv.gz, found a damaged one (")


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


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_in_other_compressions_is_reported(tmp_path: Path, target: Path, compression: int) -> None:
    """Each has an error of its own."""
    path = zipped(tmp_path / "source.zip", FILES | {"train.csv": NUMBERS}, compression)
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("train.csv").header_offset + 60
    raw[start : start + 200] = bytes(200)
    path.write_bytes(raw)
    assert "expected a whole zip, found a damaged one" in message(path, target)


def test_a_file_name_that_is_not_utf_8_is_reported(tmp_path: Path, target: Path) -> None:
    """As another system may have written it."""
    source = laid(tmp_path / "source", FILES)
    (source / "train_images" / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
    assert message(source, target) == (
        "expected ids that are file names, in UTF-8, without slashes and control characters, found '\\udcff.jpg' for "
        f"'train_images/\\udcff.jpg' ({TRAIN})"
    )


def with_mode(path: Path, entry: str, mode: int, content: bytes) -> Path:
    """A zip of `FILES` and one entry more, of this Unix mode."""
    info = zipfile.ZipInfo(entry)
    info.external_attr = mode << 16
    zipped(path, FILES)
    with zipfile.ZipFile(path, "a") as written:
        written.writestr(info, content)
    return path


@pytest.mark.parametrize(("mode", "what"), [(stat.S_IFLNK | 0o777, "a link"), (stat.S_IFIFO | 0o644, "something else")])
def test_links_in_a_zip_are_refused(tmp_path: Path, target: Path, mode: int, what: str) -> None:
    """A zip may hold links, to a password file say: nothing is made of them."""
    source = with_mode(tmp_path / "source.zip", "train_images/z.jpg", mode, b"/etc/passwd")
    assert message(source, target) == f"expected files, found {what}: 'train_images/z.jpg'"
    assert contents(target) == {}


def test_a_zip_that_unpacks_to_absurd_size(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10 MB of zeros in 10 kB: refused before anything is written, with figure and limit; honest packing is not."""
    source = zipped(tmp_path / "source.zip", FILES | {"train_images/z.jpg": bytes(10_000_000)})
    archive.copy(source, target, "the source", USUAL)
    again = tmp_path / "again"
    again.mkdir()
    monkeypatch.setattr(zips, "ALLOWANCE", 1000)
    limit, found = 100 * source.stat().st_size + 1000, 10_000_000 + sum(map(len, FILES.values()))
    assert message(source, again) == (
        f"expected at most {limit:,} bytes when unpacked (100 times its size plus 1,000), found {found:,}"
    )
    assert contents(again) == {}


def test_a_packed_table_of_absurd_size(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .csv.gz does not state its size: it is unpacked up to the limit and no further."""
    monkeypatch.setattr(zips, "ALLOWANCE", 1000)
    monkeypatch.setattr(archive, "CHUNK", 1000)
    source = tmp_path / "train.csv.gz"
    source.write_bytes(gzip.compress(bytes(10_000_000)))
    limit = 100 * source.stat().st_size + 1000
    assert message(source, target) == f"expected at most {limit:,} bytes when unpacked, found more"
    assert sum(map(len, contents(target).values())) <= limit


def test_a_size_that_is_a_lie(tmp_path: Path, target: Path) -> None:
    """An entry whose data are longer than the zip says stops where it says, and is reported as damaged."""
    raw = bytearray(zipped(tmp_path / "source.zip", FILES | {"train_images/a.jpg": bytes(10_000_000)}).read_bytes())
    for place in (raw.find(b"PK\3\4") + 22, raw.find(b"PK\1\2") + 24):
        raw[place : place + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "source.zip").write_bytes(raw)
    assert message(tmp_path / "source.zip", target).startswith("expected a whole zip, found a damaged one (")
    assert sum(map(len, contents(target).values())) <= 10_000


def test_overlapping_entries(tmp_path: Path, target: Path) -> None:
    """Many entries that share the same packed bytes, as a zip bomb's do, are refused before anything is written."""
    source = zipped(tmp_path / "source.zip", FILES | {"train_images/z.jpg": os.urandom(5000)})
    with zipfile.ZipFile(source, "a") as written:
        shared = written.getinfo("train_images/z.jpg")
        for number in range(3):
            other = copy.copy(shared)
            other.filename = f"train_images/z{number}.jpg"
            written.filelist.append(other)
            written.NameToInfo[other.filename] = other
        written._didModify = True  # type: ignore[attr-defined]
    size, packed = source.stat().st_size, 4 * shared.compress_size
    reported = message(source, target)
    assert reported.startswith(f"expected entries of at most {size:,} packed bytes together, as the zip has, found ")
    assert reported.endswith(": they overlap")
    assert packed > size
    assert contents(target) == {}


def test_a_zip_in_a_zip_stays_one(tmp_path: Path, target: Path) -> None:
    """An image that is a zip is copied, and reported when images are read."""
    inner = zipped(tmp_path / "inner.zip", {"a.jpg": bytes(1_000_000)}).read_bytes()
    archive.copy(zipped(tmp_path / "source.zip", FILES | {"train_images/z.jpg": inner}), target, "the source", USUAL)
    assert contents(target) == FILES | {"train_images/z.jpg": inner}


def test_too_many_entries(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their number, and by the length of their list, which is reported before it is read."""
    source = zipped(tmp_path / "source.zip", FILES)
    monkeypatch.setattr(zips, "MOST_ENTRIES", 4)
    assert message(source, target) == "expected at most 4 entries, found 5"
    monkeypatch.setattr(zip_checks, "_DIRECTORY", 50)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(UserError, match=r"expected a list of entries of at most 50 bytes, found 3\d\d"):
        archive.copy(source, target, "the source", USUAL)


def test_a_list_of_entries_of_absurd_length_in_zip64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figure of the wide form counts where the plain one says that it is not its own."""
    source = tmp_path / "source.zip"
    wide = b"PK\6\6" + bytes(36) + (2**40).to_bytes(8, "little") + bytes(8)
    end = b"PK\5\6" + bytes(8) + b"\xff" * 8 + bytes(2)
    source.write_bytes(wide + b"PK\6\7" + bytes(16) + end)
    with pytest.raises(UserError, match=r"expected a list of entries of at most .* found 1,099,511,627,776"):
        zip_checks.bound_directory(io.BytesIO(source.read_bytes()), "the source")


def test_an_entry_that_is_there_twice(tmp_path: Path, target: Path) -> None:
    """Which of the two would count is nobody's guess."""
    source = zipped(tmp_path / "source.zip", FILES)
    with zipfile.ZipFile(source, "a") as written, pytest.warns(UserWarning, match="Duplicate name"):
        written.writestr("train.csv", b"other")
    assert message(source, target) == "expected every entry once, found 'train.csv' 2 times"


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
