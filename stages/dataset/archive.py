"""Copies a competition's data from a folder or a zip into the competition's layout, and leaves out everything else.

A zip is checked before anything is written: where its entries lead, how many there are, and how large they would be
when unpacked. Python's zipfile checks none of this, hence the checks here.
"""

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from stages.dataset.tables import is_file_name
from stages.pipeline.cli import UserError

TABLES = ("train.csv", "sample_submission.csv")
FOLDERS = ("train_images", "test_images")
SUFFIXES = (".jpg", ".jpeg", ".png")
LAYOUT = "train_images/, test_images/, train.csv and sample_submission.csv"

# How large a packed source may become. Images hardly shrink when packed, tables of run lengths to a quarter or less.
MOST_TIMES = 100
ALLOWANCE = 1 << 30  # bytes, in addition
MOST_ENTRIES = 1_000_000
_DIRECTORY = 128 * MOST_ENTRIES  # bytes of a zip's list of entries, which is read in one piece

_CHUNK = 1 << 20
_SMALL = 1 << 12  # packed bytes, for methods that unpack everything they are given at once


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
            while chunk := read.read(_CHUNK):
                sha256.update(chunk)
                size += len(chunk)
    return Digest(size, sha256.hexdigest())


def copy(source: Path, target: Path, name: str) -> None:
    """Copy a competition's data from `source` into the folder `target`.

    Args:
        source: a folder or a zip with `train_images/`, `test_images/`, `train.csv` and `sample_submission.csv`, at any
            one place in it; or a single `.csv` or `.csv.gz`, which becomes `train.csv`.
        target: an existing, empty folder.
        name: of the source, for messages.

    Raises:
        UserError: the source does not exist, is of another kind or damaged, lacks the layout, has an entry that
            points outside or is not a file, or becomes larger than `MOST_TIMES` its size plus `ALLOWANCE`.
    """
    if source.is_dir():
        _copy_folder(source, target, name)
    elif not source.is_file():
        raise UserError(
            f"{name}: expected a folder, a zip, a .csv or a .csv.gz, found nothing there{_seen_from(source)}"
        )
    elif zipfile.is_zipfile(source):
        _unpack(source, target, name)
    elif source.name.endswith((".csv", ".csv.gz")):
        _copy_table(source, target / "train.csv", name)
    elif _starts_as_zip(source):  # the list of entries is at a zip's end
        raise UserError(
            f"{name}: expected a whole zip, found {source.stat().st_size} bytes without the end: it was cut off"
        )
    else:
        raise UserError(f"{name}: expected a folder, a zip, a .csv or a .csv.gz, found a file of another kind")


def _starts_as_zip(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _seen_from(source: Path) -> str:
    if source.is_absolute():
        return ""
    if {".dvc", "tmp", "exps"} <= set(Path.cwd().parts):
        return (
            f" (seen from {Path.cwd()}: a queued experiment, or one with --temp, runs in a copy of the repository, "
            "from which relative paths that leave it cannot be reached: give download.source as an absolute path)"
        )
    return f" (seen from {Path.cwd()})"


def _most(source: Path) -> int:
    return MOST_TIMES * source.stat().st_size + ALLOWANCE


def _copy_table(source: Path, target: Path, name: str) -> None:
    most = _most(source)
    try:
        with source.open("rb") as raw, target.open("wb") as write:
            read = gzip.GzipFile(fileobj=raw) if source.suffix == ".gz" else raw
            while chunk := read.read(_CHUNK):
                if write.tell() + len(chunk) > most:
                    raise UserError(f"{name}: expected at most {most:,} bytes when unpacked, found more")
                write.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{name}: expected a whole .csv.gz, found a damaged one ({error})") from None


def _copy_folder(source: Path, target: Path, name: str) -> None:
    # Folders of images are often links to a larger disk.
    paths = (
        Path(folder, entry)
        for folder, folders, files in os.walk(source, followlinks=True)
        for entry in (*files, *(inner for inner in folders if inner.lower().endswith(SUFFIXES)))
    )
    files = {path.relative_to(source).as_posix(): path for path in paths}
    for wanted, entry in tqdm(_layout(files, name), "download: files", unit=" files", disable=None):
        try:
            if not stat.S_ISREG(files[entry].stat().st_mode):  # reading a pipe or a device would never end
                raise UserError(f"{name}: {files[entry]}: expected a file, found a folder, a pipe or a device")
            read = files[entry].open("rb")
        except OSError as error:
            raise UserError(f"{name}: {files[entry]}: expected a readable file ({error.strerror})") from None
        _write(read, target / wanted)


def _unpack(source: Path, target: Path, name: str) -> None:
    try:
        _bound_directory(source, name)
        with zipfile.ZipFile(source) as archive:
            entries = {info.filename: info for info in archive.infolist() if not info.is_dir()}
            _check_names(archive.namelist(), name)
            pairs = _layout(entries, name)
            _check_sizes(source, [entries[entry] for _, entry in pairs], name)
            for wanted, entry in tqdm(pairs, "download: files", unit=" files", disable=None):
                bounded = entries[entry].compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
                _write(archive.open(entry), target / wanted, _CHUNK if bounded else _SMALL)
    # RuntimeError: a password is needed. OSError without a number: damaged bzip2.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise UserError(f"{name}: expected a whole zip, found a damaged one ({error})") from None


def _bound_directory(source: Path, name: str) -> None:
    """Refuse a zip whose list of entries would fill the memory. The size of the list is in the file's last bytes."""
    with source.open("rb") as file:
        file.seek(max(0, source.stat().st_size - (1 << 16) - 100))  # the longest comment, and the records before it
        tail = file.read()
    end, wide_end = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    if size == 0xFFFFFFFF and wide_end >= 0:  # ZIP64
        size = int.from_bytes(tail[wide_end + 40 : wide_end + 48], "little")
    if size > _DIRECTORY:
        raise UserError(f"{name}: expected a list of entries of at most {_DIRECTORY:,} bytes, found {size:,}")


def _check_names(names: list[str], name: str) -> None:
    """Check all entries, also those that are left out: none leads outside, none occurs twice."""
    if len(names) > MOST_ENTRIES:
        raise UserError(f"{name}: expected at most {MOST_ENTRIES:,} entries, found {len(names):,}")
    for entry in names:
        if PurePosixPath(entry).is_absolute() or ".." in PurePosixPath(entry).parts or "\\" in entry:
            raise UserError(f"{name}: expected entries inside the archive's folder, found {entry!r}")
    entry, times = Counter(names).most_common(1)[0] if names else ("", 1)
    if times > 1:
        raise UserError(f"{name}: expected every entry once, found {entry!r} {times} times")


def _check_sizes(source: Path, entries: list[zipfile.ZipInfo], name: str) -> None:
    """Check what would be unpacked: files only, without shared bytes, and not more than a real archive would hold."""
    for info in entries:
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):  # 0: from a system without Unix modes
            what = "a link" if kind == stat.S_IFLNK else "something else"
            raise UserError(f"{name}: expected files, found {what}: {info.filename!r}")
    size, packed, unpacked = source.stat().st_size, 0, 0
    for info in entries:
        packed, unpacked = packed + info.compress_size, unpacked + info.file_size
    if packed > size:
        raise UserError(
            f"{name}: expected entries of at most {size:,} packed bytes together, as the zip has, found {packed:,}: "
            "they overlap"
        )
    if unpacked > _most(source):
        raise UserError(
            f"{name}: expected at most {_most(source):,} bytes when unpacked ({MOST_TIMES} times its size plus "
            f"{ALLOWANCE:,}), found {unpacked:,}"
        )


def _layout(entries: Iterable[str], name: str) -> list[tuple[str, str]]:
    """Pairs of path in the layout and entry, sorted, without entries that do not belong to the layout."""
    names = sorted(entries)
    tops = sorted({PurePosixPath(entry).parent for entry in names if PurePosixPath(entry).name == "train.csv"})
    if len(tops) != 1:
        more = ", …" if len(tops) > 3 else ""
        found = "none" if not tops else f"{len(tops)} of them: {', '.join(map(str, tops[:3]))}{more}"
        raise UserError(f"{name}: expected {LAYOUT} in one place, found train.csv in {found}")
    pairs, deeper = [], []
    for entry in names:
        path = PurePosixPath(entry)
        if not path.is_relative_to(tops[0]):
            continue
        path = path.relative_to(tops[0])
        if str(path) in TABLES or (len(path.parts) == 2 and path.parts[0] in FOLDERS and not path.name.startswith(".")):
            if not is_file_name(path.name):  # not UTF-8, or a control character
                raise UserError(f"{name}: expected file names in UTF-8 without control characters, found {entry!r}")
            pairs.append((str(path), entry))
        elif path.parts[0] in FOLDERS and len(path.parts) > 2 and path.suffix.lower() in SUFFIXES:
            deeper.append(entry)
    if deeper:
        raise UserError(
            f"{name}: expected images in {' and '.join(FOLDERS)} themselves, "
            f"found {len(deeper)} in folders below, such as {deeper[0]}"
        )
    present = {PurePosixPath(wanted).parts[0] for wanted, _ in pairs}
    missing = [part for part in (*FOLDERS, *TABLES) if part not in present]
    if missing:
        raise UserError(f"{name}: expected {LAYOUT}, found no {' and no '.join(missing)}")
    return pairs


def _write(read: IO[bytes], path: Path, chunk: int = _CHUNK) -> None:
    path.parent.mkdir(exist_ok=True)
    with read, path.open("wb") as write:
        shutil.copyfileobj(read, write, chunk)
