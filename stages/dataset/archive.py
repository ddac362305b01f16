"""Copies a competition's data from a folder or a zip into data/raw, in one form for every competition.

train_images/NAME, test_images/NAME, train.csv and sample_submission.csv: `stages.dataset.image_paths` says which file
becomes which. Everything else is left out. A zip within the source counts as a folder; `stages.dataset.zips` checks all
zips before anything is written.
"""

import gzip
import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stages.dataset import image_paths
from stages.dataset.images import SUFFIXES
from stages.dataset.layout import Files
from stages.dataset.zip_checks import explaining_damage
from stages.dataset.zips import CHUNK, ZipEntry, Zips, most_bytes
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar

MOST_WAYS = 100  # by links to one folder


@dataclass(frozen=True, eq=False)
class FileEntry:
    """A file in a folder.

    Attributes:
        path: relative to the source; see `stages.dataset.image_paths.Entry`.
        file: where it is.
    """

    path: str
    file: Path

    @property
    def shown(self) -> str:
        """For messages."""
        return str(self.file)

    @property
    def chunk(self) -> int:
        """How many bytes to read at once."""
        return CHUNK

    def open(self) -> IO[bytes]:
        """Open it for reading.

        Raises:
            UserError: it cannot be read, or is a folder, a pipe or a device.
        """
        try:
            if not stat.S_ISREG(self.file.stat().st_mode):  # reading a pipe or a device would never end
                raise UserError(f"{self.file}: expected a file, found a folder, a pipe or a device")
            return self.file.open("rb")
        except OSError as error:
            raise UserError(f"{self.file}: expected a readable file ({error.strerror})") from None


@dataclass(frozen=True)
class Digest:
    """Size in bytes and SHA-256, as 64 hexadecimal digits, of what was read."""

    size: int
    sha256: str


def digest(path: Path) -> Digest:
    """Size and SHA-256 of a file, or of the names and contents of all files in a folder, in the order of the names."""
    sha256, size = hashlib.sha256(), 0
    for file in [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file()):
        if path.is_dir():
            sha256.update(file.relative_to(path).as_posix().encode() + b"\n")
        with file.open("rb") as read:
            while chunk := read.read(CHUNK):
                sha256.update(chunk)
                size += len(chunk)
    return Digest(size, sha256.hexdigest())


def copy(source: Path, target: Path, name: str, files: Files) -> None:
    """Copy a competition's data from `source` into the folder `target`.

    Args:
        source: a folder or a zip that holds the competition, at any one place in it; or a single `.csv` or `.csv.gz`,
            which becomes `train.csv`.
        target: an existing, empty folder.
        name: of the source, for messages.
        files: where the competition has its images and tables.

    Raises:
        UserError: the source does not exist, is of another kind or damaged, lacks a part, gives an image twice, has an
            entry that points outside or is not a file, or becomes larger than a real archive would.
    """
    if source.is_dir():
        _arrange(source, target, name, files)
    elif not source.is_file():
        raise UserError(
            f"{name}: expected a folder, a zip, a .csv or a .csv.gz, found nothing there{seen_from(source)}"
        )
    elif zipfile.is_zipfile(source):
        _arrange(source, target, name, files)
    elif source.name.endswith((".csv", ".csv.gz")):
        _copy_table(source, target / image_paths.TRAIN_TABLE, name)
    elif _starts_as_zip(source):  # the list of entries is at a zip's end
        raise UserError(
            f"{name}: expected a whole zip, found {source.stat().st_size} bytes without the end: it was cut off"
        )
    else:
        raise UserError(f"{name}: expected a folder, a zip, a .csv or a .csv.gz, found a file of another kind")


def _starts_as_zip(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def seen_from(source: Path) -> str:
    """From where a path is looked up that leads nowhere, for the end of a message; nothing for an absolute one."""
    if source.is_absolute():
        return ""
    if {".dvc", "tmp", "exps"} <= set(Path.cwd().parts):
        return (
            f" (seen from {Path.cwd()}: a queued experiment, or one with --temp, runs in a copy of the repository, "
            "from which relative paths that leave it cannot be reached: give download.source as an absolute path)"
        )
    return f" (seen from {Path.cwd()})"


def _copy_table(source: Path, target: Path, name: str) -> None:
    most = most_bytes(source.stat().st_size)
    try:
        with source.open("rb") as raw, target.open("wb") as write:
            read = gzip.GzipFile(fileobj=raw) if source.suffix == ".gz" else raw
            while chunk := read.read(CHUNK):
                if write.tell() + len(chunk) > most:
                    raise UserError(f"{name}: expected at most {most:,} bytes when unpacked, found more")
                write.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{name}: expected a whole .csv.gz, found a damaged one ({error})") from None


def _arrange(source: Path, target: Path, name: str, files: Files) -> None:
    with Zips(name, target.parent) as zips:
        with _named(name):
            entries = list[FileEntry | ZipEntry](_listing(source)) if source.is_dir() else []
        entries += [] if source.is_dir() else zips.of_file(source)
        paths = [entry.path for entry in entries]
        wanted, top = set(image_paths.zips_to_open(paths, files)), image_paths.top(paths, files)
        for entry in [entry for entry in entries if entry.path in wanted]:
            folder = entry.path[: -len(".zip")]
            if isinstance(entry, ZipEntry):
                entries += zips.of_entry(entry, folder)
            else:
                with _named(name):
                    entry.open().close()  # it is a file, and can be read
                entries += zips.of_file(entry.file, folder)
        with _named(name):
            pairs = image_paths.arrange(entries, files, top)
        zips.check(entry for _, entry in pairs if isinstance(entry, ZipEntry))
        for folder in (image_paths.TRAIN_FOLDER, image_paths.TEST_FOLDER):
            (target / folder).mkdir(exist_ok=True)
        for place, entry in bar(pairs, "download: files", unit="files"):
            _write(entry, target / place, name)


def _listing(source: Path) -> Iterator[FileEntry]:
    # Folders of images are often links to a larger disk.
    above = {os.fspath(source): frozenset[tuple[int, int]]()}  # of each folder still to be listed, those around it
    times = Counter[tuple[int, int]]()
    for folder, folders, files in os.walk(source, followlinks=True, onerror=_refuse_folder):
        times[identity := _identity(folder)] += 1
        if times[identity] > MOST_WAYS:  # forty folders with two links to the next one would be listed 2**40 times
            raise UserError(f"{folder}: expected at most {MOST_WAYS} ways by links to one folder, found more")
        around = above.pop(folder) | {identity}
        for inner in folders:
            below = os.path.join(folder, inner)
            if _identity(below) in around:
                raise UserError(f"{below}: expected a folder that ends, found a link that leads back to one around it")
            above[below] = around
        images = [inner for inner in folders if inner.lower().endswith(SUFFIXES)]  # to be refused
        for file in (*files, *images):
            path = Path(folder, file)
            yield FileEntry(path.relative_to(source).as_posix(), path)


def _refuse_folder(error: OSError) -> None:
    raise UserError(f"{error.filename}: expected a readable folder ({error.strerror})") from None


def _identity(folder: str) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Begin the message of a `UserError` with the name of the source."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _write(entry: FileEntry | ZipEntry, path: Path, name: str) -> None:
    if isinstance(entry, FileEntry):
        with _named(name), entry.open() as read, path.open("wb") as write:
            shutil.copyfileobj(read, write, entry.chunk)
    else:
        with (
            explaining_damage(entry.archive.where, entry.info.filename),
            entry.open() as read,
            path.open("wb") as write,
        ):
            shutil.copyfileobj(read, write, entry.chunk)
