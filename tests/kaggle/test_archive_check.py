"""A damaged archive from Kaggle is found, whatever byte is damaged, and fetched once more; a whole one is kept."""

import io
import zipfile
from pathlib import Path

import pytest

from stages.dataset import archive
from stages.dataset.layout import Layout
from stages.kaggle.archive_check import damage
from stages.pipeline import settings
from stages.pipeline.cli import UserError
from tests.support.kaggle_project import ROOT, SLUG, Stage
from tests.support.kaggle_server import KaggleServer


def written(*, sizes_follow: bool) -> bytes:
    """A small competition as a zip: stored and deflated entries, a name in another script.

    With `sizes_follow`, its headers lack sizes, as of a zip that was written to a pipe.
    """

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return not sizes_follow

        def seek(self, *where: int) -> int:
            if sizes_follow:
                raise io.UnsupportedOperation
            return super().seek(*where)

        def tell(self) -> int:
            if sizes_follow:
                raise io.UnsupportedOperation
            return super().tell()

    stream = Pipe()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("train.csv", "ImageId,ClassId,EncodedPixels\n" * 9, zipfile.ZIP_DEFLATED)
        made.writestr("sample_submission.csv", "ImageId,EncodedPixels,ClassId\n")
        for name in ("train_images/a1.jpg", "train_images/a2.jpg", "test_images/ä.jpg"):
            made.writestr(name, name * 3)
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("sizes_follow", [False, True])
@pytest.mark.parametrize("bits", [0x01, 0x08, 0x20, 0xFF])
def test_every_byte_of_the_list_of_entries(tmp_path: Path, sizes_follow: bool, bits: int) -> None:
    """Damage to it is found, or the same files come out; or a message comes that only a mode can cause."""
    files = Layout.of(settings.load(ROOT / "params.yaml").competition).files
    whole = written(sizes_follow=sizes_follow)
    path = tmp_path / "a.zip"
    path.write_bytes(whole)
    assert damage(path) is None
    (tmp_path / "whole").mkdir()
    archive.copy(path, tmp_path / "whole", "a", files)
    expected, missed = contents(tmp_path / "whole"), []
    for place in range(whole.index(b"PK\1\2"), len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= bits
        path.write_bytes(damaged)
        if damage(path):
            continue
        target = tmp_path / f"at_{place}"
        target.mkdir()
        try:
            archive.copy(path, target, "a", files)
        except UserError as error:
            if "expected files, found" not in str(error):
                missed.append((place, str(error)))
        else:
            if contents(target) != expected:
                missed.append((place, "other files"))
    assert missed == []


def listed(whole: bytes, name: str, offset: int, value: bytes) -> bytes:
    """The zip with other bytes in the list of entries, at an offset in the record of an entry."""
    record = whole.index(b"PK\1\2", whole.rindex(name.encode()) - 46)
    return whole[: record + offset] + value + whole[record + offset + len(value) :]


DAMAGES = {
    "compression method": (10, b"\x63\0"),
    "encryption bit": (8, b"\x01\0"),
    "a byte of a name": (46 + 17, b"X"),
    "another entry's name": (46, b"train_images/a1"),
    "extracting version": (6, b"\xff"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_it_is_fetched_once_more(stage: Stage, folder: Path, server: KaggleServer, kind: str) -> None:
    """One from an earlier run is told, removed and fetched; when it arrives damaged twice, there is a message."""
    whole = server.files[SLUG]
    with zipfile.ZipFile(io.BytesIO(whole)) as made:
        names = {name: made.read(name) for name in made.namelist()}
    names["train_images/a2.jpg"], names["train_images/a1.jpg"] = b"2", b"1"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, content in names.items():
            made.writestr(name, content)
    server.files[SLUG] = stream.getvalue()
    damaged = listed(stream.getvalue(), "train_images/a2.jpg", *DAMAGES[kind])
    (folder / "data/kaggle" / SLUG).mkdir(parents=True)
    (folder / "data/kaggle" / SLUG / f"{SLUG}.zip").write_bytes(damaged)  # the client takes it for the archive
    result = stage("download")
    assert result.returncode == 0, result.stderr
    assert len(server.requested("GET")) == 2
    assert "the archive arrived damaged (" in result.stdout
    assert (folder / "data/raw/train_images/a2.jpg").read_bytes() == b"2"
    server.wrong_zip = [damaged, damaged]
    result = stage("download")
    assert result.returncode == 1
    assert f"kaggle: {SLUG}: expected an intact archive, it arrived damaged twice" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(folder.glob("data/kaggle/**/*.zip"))


def test_a_whole_archive_is_kept(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """One that is refused for what is in it, and one that is there when Kaggle cannot be understood."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("../evil.csv", "x")
    server.files[SLUG] = stream.getvalue()
    kept = folder / f"data/kaggle/{SLUG}/{SLUG}.zip"
    for _ in range(2):
        result = stage("download")
        assert result.returncode == 1
        assert "found '../evil.csv' (the archive is data/kaggle/" in result.stderr
        assert "remove it to download it again" in result.stderr
        assert kept.read_bytes() == stream.getvalue()
    assert len(server.requested("GET")) == 2  # the second time it is only compared
    for status, body in ((200, b"<html>"), (200, b"null"), (500, b"<html>"), (403, b"")):
        server.fail("DownloadDataFiles", status, body=body, times=5, headers={"Retry-After": "0"})
        stage("download")
        server._faults.clear()
        assert kept.read_bytes() == stream.getvalue()


def test_a_file_that_cannot_be_read_is_not_damaged(tmp_path: Path) -> None:
    """An error of the system is passed on; it says nothing about the contents."""
    with pytest.raises(FileNotFoundError):
        damage(tmp_path / "a.zip")
