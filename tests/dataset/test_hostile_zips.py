"""Zips that are damaged, or made to do harm: refused by a message, before anything is written."""

import copy
import gzip
import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from stages.dataset import archive, zip_checks, zips
from stages.pipeline.cli import UserError
from tests.support.archives import FILES, NUMBERS, TRAIN, USUAL, contents, laid, message, zipped


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
