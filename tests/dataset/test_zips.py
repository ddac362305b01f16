"""Zips within a source: found, checked like the source itself, and unpacked without leaving anything behind."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from stages.dataset import archive, zips
from stages.dataset.layout import Files
from stages.pipeline.cli import UserError
from tests.dataset.test_hostile_zips import with_mode
from tests.support.archives import contents, laid, zipped

TGS = Files(r"train/images/([^/]+)\.png", r"test/images/([^/]+)\.png")
TABLES = {"train.csv": b"id,rle_mask\n", "sample_submission.csv": b"id,rle_mask\n"}
IMAGES, MASKS = {"images/a.png": b"A" * 999, "images/b.png": b"B"}, {"masks/a.png": b"M", "masks/b.png": b"M"}
WANTED = TABLES | {"train_images/a.png": b"A" * 999, "train_images/b.png": b"B", "test_images/c.png": b"C"}
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def packed(files: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The bytes of a zip with these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return stream.getvalue()


def source_of(files: dict[str, bytes], folder: Path, form: str) -> Path:
    """A folder, or a zip whose entries are stored or packed."""
    if form == "folder":
        return laid(folder / "source", files)
    return zipped(folder / "source.zip", files, zipfile.ZIP_STORED if form == "stored" else zipfile.ZIP_DEFLATED)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to copy into, in a folder of its own."""
    folder = tmp_path / "data" / "target"
    folder.mkdir(parents=True)
    return folder


def message(source: Path, target: Path, files: Files = TGS) -> str:
    """The message about a source that is refused; nothing has been written by then."""
    with pytest.raises(UserError) as reported:
        archive.copy(source, target, "src", files)
    assert contents(target.parent) == {}
    return str(reported.value).removeprefix("src: ")


@pytest.mark.parametrize("form", ["folder", "stored", "packed"])
@pytest.mark.parametrize("kind", KINDS)
def test_tgs(tmp_path: Path, target: Path, form: str, kind: int) -> None:
    """train.zip and test.zip count as folders, whether the zip around them packs them or not."""
    inner = {"train.zip": packed(IMAGES | MASKS, kind), "test.zip": packed({"images/c.png": b"C"}, kind)}
    around = {"train/readme.txt": b"x", "masks.zip": b"no zip, never opened"}
    inner["test.zip"] = packed({"images/c.png": b"C", "train.csv": b"another table, deeper"}, kind)
    archive.copy(source_of(TABLES | inner | around, tmp_path, form), target, "src", TGS)
    assert contents(target) == WANTED
    assert [path.name for path in target.parent.iterdir()] == ["target"]  # no temporary file is left


@pytest.mark.parametrize("form", ["folder", "stored", "packed"])
def test_carvana(tmp_path: Path, target: Path, form: str) -> None:
    """A zip whose entries begin with its own name, and a table that is packed alone, stand where they are."""
    files = Files(r"train/([^/]+\.jpg)", r"test/([^/]+\.jpg)", train_table="train_masks.csv")
    inner = {
        "train.zip": packed({"train/": b"", "train/a.jpg": b"A", "__MACOSX/train/._a.jpg": b"x", ".DS_Store": b"x"}),
        "test.zip": packed({"test/b.jpg": b"B"}),
        "train_masks.csv.zip": packed({"train_masks.csv": b"img,rle_mask\n", "__MACOSX/._train_masks.csv": b"x"}),
        "sample_submission.csv.zip": packed({"sample_submission.csv": b"img,rle_mask\n"}),
        "train_masks.zip": packed({"train_masks/a_mask.gif": b"G"}),
    }
    archive.copy(source_of(inner, tmp_path, form), target, "src", files)
    assert contents(target) == {
        "train_images/a.jpg": b"A", "test_images/b.jpg": b"B", "train.csv": b"img,rle_mask\n",
        "sample_submission.csv": b"img,rle_mask\n",
    }  # fmt: skip


def test_zips_that_hold_images_directly(tmp_path: Path, target: Path) -> None:
    """train_images.zip without a folder in it is the folder train_images."""
    inner = {"train_images.zip": packed({"a.jpg": b"A"}), "test_images.zip": packed({"b.jpg": b"B"})}
    archive.copy(laid(tmp_path / "source", TABLES | inner), target, "src", Files())
    assert contents(target) == TABLES | {"train_images/a.jpg": b"A", "test_images/b.jpg": b"B"}


def test_everything_in_one_zip_in_a_folder(tmp_path: Path, target: Path) -> None:
    """The training table may be within, too; zips within that zip are a third level, and stay closed."""
    whole = TABLES | {"train/images/a.png": b"A", "test/images/c.png": b"C", "test.zip": packed({"images/d.png": b"D"})}
    archive.copy(laid(tmp_path / "source", {"tgs.zip": packed(whole)}), target, "src", TGS)
    assert contents(target) == TABLES | {"train_images/a.png": b"A", "test_images/c.png": b"C"}


def test_a_folder_that_is_unpacked_beside_its_zip(tmp_path: Path, target: Path) -> None:
    """It counts, and the zip is not read again."""
    unpacked = {f"train/{name}": content for name, content in IMAGES.items()}
    inner = {"train.zip": b"never opened", "test.zip": packed({"images/c.png": b"C"})}
    archive.copy(laid(tmp_path / "source", TABLES | inner | unpacked), target, "src", TGS)
    assert contents(target) == WANTED


def test_a_packed_table_that_is_another(tmp_path: Path, target: Path) -> None:
    """A zip with the table's name and something else in it gives no table."""
    files = {
        "train.csv.zip": packed({"a.csv": b"x", "b.csv": b"x"}),
        "sample_submission.csv": b"",
        "test/images/c.png": b"",
    }
    reported = message(laid(tmp_path / "source", files | {"train/images/a.png": b"A"}), target)
    assert reported.startswith("expected train.csv (competition.files.train_table in params.yaml), found none")


def test_one_image_in_two_zips(tmp_path: Path, target: Path) -> None:
    """Both places are named."""
    inner = {"train.zip": packed(IMAGES), "train.ZIP": packed(IMAGES), "test.zip": packed({"images/c.png": b"C"})}
    reported = message(zipped(tmp_path / "source.zip", TABLES | inner), target)
    assert "expected one file for 'a', found train.zip/images/a.png and train.ZIP/images/a.png" in reported


@pytest.mark.parametrize("form", ["folder", "stored", "packed"])
@pytest.mark.parametrize("entry", ["../outside.png", "/etc/outside.png", "images/../../outside.png", "a\\..\\b"])
def test_entries_outside_are_refused(tmp_path: Path, target: Path, form: str, entry: str) -> None:
    """In a zip within the source as in the source."""
    source = source_of(TABLES | {"train.zip": packed(IMAGES | {entry: b"x"})}, tmp_path, form)
    assert message(source, target).endswith(f"train.zip: expected entries inside the archive's folder, found {entry!r}")


@pytest.mark.parametrize("form", ["folder", "stored", "packed"])
def test_what_is_no_zip(tmp_path: Path, target: Path, form: str) -> None:
    """A zip that was cut off, a page that was saved in its place, and nothing."""
    for content in (packed(IMAGES)[:-30], b"<html>", b""):
        source = source_of(TABLES | {"train.zip": content}, tmp_path, form)
        assert "train.zip: expected a whole zip, found a file of another kind" in message(source, target)


@pytest.mark.parametrize("form", ["folder", "stored", "packed"])
def test_damage(tmp_path: Path, target: Path, form: str) -> None:
    """A damaged image in a zip within is found by its checksum, and the zip is named."""
    inner = bytearray(packed({"images/a.png": os.urandom(5000)}, zipfile.ZIP_STORED))
    inner[2000] ^= 0xFF
    files = TABLES | {"train.zip": bytes(inner), "test.zip": packed({"images/c.png": b"C"})}
    with pytest.raises(UserError, match=r"train\.zip: expected a whole zip, found a damaged one \(Bad CRC-32"):
        archive.copy(source_of(files, tmp_path, form), target, "src", TGS)


def test_a_link_within(tmp_path: Path, target: Path) -> None:
    """Neither a zip that is a link nor a link in a zip is followed."""
    inner = with_mode(tmp_path / "inner.zip", "images/z.png", stat.S_IFLNK | 0o777, b"/etc/passwd").read_bytes()
    files = TABLES | {"train.zip": inner, "test.zip": packed({"images/c.png": b"C"})}
    source = zipped(tmp_path / "source.zip", files)
    assert message(source, target) == "train.zip: expected files, found a link: 'images/z.png'"
    with zipfile.ZipFile(source, "w") as written:
        info = zipfile.ZipInfo("train.zip")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        written.writestr("train.csv", b"x")
        written.writestr(info, b"/etc/passwd")
    assert message(source, target) == "expected files, found a link: 'train.zip'"


def test_absurd_size_within(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All levels count together: a packed zip, and what comes out of it. Only its size is read before it is refused."""
    monkeypatch.setattr(zips, "ALLOWANCE", 1000)
    zeros = packed(IMAGES | {"images/z.png": bytes(1_000_000)})
    files = TABLES | {"train.zip": zeros, "test.zip": packed({"images/c.png": b"C"})}
    source = zipped(tmp_path / "source.zip", files, zipfile.ZIP_STORED)
    limit = 100 * source.stat().st_size + 1000
    assert message(source, target).startswith(
        f"expected at most {limit:,} bytes when unpacked (100 times its size plus"
    )
    stored = packed(IMAGES | {"images/z.png": bytes(1_000_000)}, zipfile.ZIP_STORED)
    source = zipped(tmp_path / "source.zip", TABLES | {"train.zip": stored})
    limit = 100 * source.stat().st_size + 1000
    assert message(source, target).endswith(f"found {len(stored):,}")


def test_absurd_size_in_a_folder(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measure is the size of the zips, not of the folder."""
    monkeypatch.setattr(zips, "ALLOWANCE", 1000)
    files = TABLES | {"train.zip": packed({"images/z.png": bytes(1_000_000)}), "big.bin": bytes(1_000_000)}
    source = laid(tmp_path / "source", files | {"test/images/c.png": b"C"})
    limit = 100 * (source / "train.zip").stat().st_size + 1000
    assert message(source, target).startswith(f"expected at most {limit:,} bytes when unpacked")


def test_numbers_of_zips_and_entries(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are counted over everything together."""
    files = TABLES | {"train.zip": packed(IMAGES), "test.zip": packed({"images/c.png": b"C"})}
    source = zipped(tmp_path / "source.zip", files)
    monkeypatch.setattr(zips, "MOST_ENTRIES", 6)
    assert message(source, target) == "test.zip: expected at most 6 entries, found 7"
    monkeypatch.setattr(zips, "MOST_ZIPS", 1)
    assert message(source, target) == "expected at most 1 zips that may hold its data, found more"


def test_a_pipe_with_the_name_of_a_zip(tmp_path: Path, target: Path) -> None:
    """Reading it would never end."""
    source = laid(tmp_path / "source", TABLES)
    os.mkfifo(source / "train.zip")
    assert message(source, target) == f"{source / 'train.zip'}: expected a file, found a folder, a pipe or a device"
