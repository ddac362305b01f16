"""Zips whose list of entries makes no sense: one short message, whatever zipfile raises."""

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.conversion import folders
from stages.dataset import archive
from stages.dataset.layout import Files
from stages.pipeline.cli import UserError

CONTENT = {
    "train.csv": b"a,b\n",
    "sample_submission.csv": b"a\n",
    "train_images/a.png": b"x" * 50,
    "test_images/b.png": b"y",
}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return stream.getvalue()


def message(raw: bytes, folder: Path) -> str:
    """Why it is refused; empty if it is copied."""
    source, target = folder / "source.zip", folder / "target"
    source.write_bytes(raw)
    target.mkdir(exist_ok=True)
    try:
        archive.copy(source, target, "source.zip", Files())
    except UserError as error:
        return str(error)
    return ""


def test_a_whole_one(tmp_path: Path) -> None:
    """What the others are made of."""
    assert message(zipped(CONTENT), tmp_path) == ""


@pytest.mark.parametrize("name", ["./train.csv", "train_images/./a.png", "train_images//a.png"])
def test_another_spelling_of_a_name(name: str, tmp_path: Path) -> None:
    """Two entries for one file."""
    assert "expected every entry once, found " in message(zipped(CONTENT | {name: b"other"}), tmp_path)


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """The message shows its beginning."""
    found = message(zipped(CONTENT | {"\x01" * 60_000: b""}), tmp_path)
    assert "expected names of 1 to 4096 characters, found 60,000: " in found
    assert len(found) < 500


def test_an_empty_name(tmp_path: Path) -> None:
    """The list of entries gives its length as 0, or only a dot."""
    assert "expected names of 1 to 4096 characters, found 1: '.'" in message(zipped(CONTENT | {".": b""}), tmp_path)
    stream = io.BytesIO(zipped(CONTENT))
    with zipfile.ZipFile(stream, "a") as target, target.open(zipfile.ZipInfo(""), "w") as entry:
        entry.write(b"x")
    assert "expected names of 1 to 4096 characters, found 0: ''" in message(stream.getvalue(), tmp_path)


def test_a_name_of_random_bytes(tmp_path: Path) -> None:
    """As long as a zip allows; the message is printable and short."""
    name = np.random.default_rng(1).bytes(40_000).decode("cp437").replace("\0", "")
    found = message(zipped(CONTENT | {name[:20_000]: b""}), tmp_path)
    assert found.startswith("source.zip: expected ")
    assert found.isprintable()
    assert len(found) < 1000


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    """The entry says that it is."""
    raw = zipped(CONTENT | {"ÄÄÄÄ.txt": b"x"}).replace("ÄÄÄÄ".encode(), b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe")
    assert "expected a whole zip, found a damaged one ('utf-8' codec can't decode" in message(raw, tmp_path)


@pytest.mark.parametrize("field", [10, 8, 42, 20, 24, 28, 30, 6])
def test_each_field_of_the_list_of_entries(field: int, tmp_path: Path) -> None:
    """Method, flags, place, sizes, lengths of name and extras, version: any value ends in a message or is harmless."""
    raw = zipped(CONTENT)
    first = raw.index(b"PK\1\2")
    for value in (0, 1, 2, 99, 0x7FFF, 0xFFFF):
        damaged = bytearray(raw)
        damaged[first + field : first + field + 2] = struct.pack("<H", value)
        found = message(bytes(damaged), tmp_path)
        assert len(found) < 1000


def test_random_damage(tmp_path: Path) -> None:
    """Bits anywhere, and files that are cut off: no traceback, no long message, nothing taken with other bytes."""
    raw, random = zipped(CONTENT), np.random.default_rng(3)
    for number in range(600):
        damaged = bytearray(raw[: random.integers(1, len(raw))] if number % 4 == 0 else raw)
        for _ in range(0 if number % 4 == 0 else 1 + 10 * (number % 2)):
            damaged[random.integers(len(damaged))] ^= 1 << int(random.integers(8))
        found = message(bytes(damaged), tmp_path)
        assert len(found) < 1000
        if not found and number % 4:
            for name in ("train.csv", "train_images/a.png"):
                assert (tmp_path / "target" / name).read_bytes() == CONTENT[name]


@pytest.mark.parametrize(("field", "value"), [(10, 77), (8, 1), (42, 9999)])
def test_the_entry_is_named(field: int, value: int, tmp_path: Path) -> None:
    """A method that is unknown, the bit of a password, a place far behind the end: in the list alone."""
    raw = bytearray(zipped(CONTENT))
    place = raw.index(b"train_images/a.png", raw.index(b"PK\1\2")) - 46 + field
    raw[place : place + 2] = struct.pack("<H", value)
    found = message(bytes(raw), tmp_path)
    assert found.startswith("source.zip: expected a whole zip, found a damaged one (")
    assert "train_images/a.png" in found


@pytest.mark.parametrize("name", ["\x01\x02" * 2000, "\x1b[31m.csv", "y" * 4000 + ".png", "\x01/" * 1500 + "a.png"])
def test_names_in_messages(name: str, tmp_path: Path) -> None:
    """Beginnings without control characters, where the files of a source are listed."""
    found = message(zipped({name: b"", "train.csv": b"a"}), tmp_path)
    assert "expected images that match" in found
    assert found.isprintable()
    assert len(found) < 1500


@pytest.mark.parametrize("links", [{"train_images/again": ".."}, {"x/to_y": "../y", "y/to_x": "../x"}, {"z": "."}])
def test_folders_whose_links_lead_back(links: dict[str, str], tmp_path: Path) -> None:
    """Two of them would be followed through 2**40 paths."""
    source = tmp_path / "source"
    for name, content in CONTENT.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    for link, target in links.items():
        (source / link).parent.mkdir(exist_ok=True)
        (source / link).symlink_to(target)
    expected = f"source: {source}/.*: expected a folder that ends, found a link that leads back to one around it"
    with pytest.raises(UserError, match=expected):
        archive.copy(source, tmp_path, "source", Files())


def test_a_folder_with_very_many_ways(tmp_path: Path) -> None:
    """No link leads back, and yet there are 2**40 paths; convert and download refuse them at once."""
    for number in range(40):
        (tmp_path / f"{number}").mkdir()
        for link in "ab":
            (tmp_path / f"{number}/{link}").symlink_to(f"../{number + 1}")
    (tmp_path / "40").mkdir()
    expected = "expected at most 100 ways by links to one folder, found more"
    with pytest.raises(UserError, match=expected):
        archive.copy(tmp_path, tmp_path, "source", Files())
    with pytest.raises(UserError, match=expected):
        folders.pictures(tmp_path)


@pytest.mark.parametrize("links", [{"a": "a"}, {"a": "b", "b": "a"}, {"train_images/a.png": "a.png"}])
def test_links_to_themselves(links: dict[str, str], tmp_path: Path) -> None:
    """Neither a file nor a folder, for either command."""
    source = tmp_path / "source"
    for name, content in (CONTENT | {"train_images/c.png": b"z"}).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if name not in links:
            (source / name).write_bytes(content)
    for link, target in links.items():
        (source / link).symlink_to(target)
    with pytest.raises(UserError, match="found a link that leads back to itself"):
        folders.pictures(source)
    if "a" in links:  # not a part of the competition
        archive.copy(source, tmp_path, "source", Files())
    else:
        with pytest.raises(UserError, match=r"expected a readable file \(Too many levels of symbolic links\)"):
            archive.copy(source, tmp_path, "source", Files())


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images are not left out silently."""
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UserError, match=r"source: \S+/locked: expected a readable folder \(Permission denied\)"):
        archive.copy(tmp_path, tmp_path, "source", Files())
