"""A competition's data, copied from a folder or a zip into the competition's layout, whatever lies around it."""

import gzip
import hashlib
import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from stages.command import UserError

TABLES = ("train.csv", "sample_submission.csv")
FOLDERS = ("train_images", "test_images")
LAYOUT = "train_images/, test_images/, train.csv and sample_submission.csv"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """What was read: size in bytes, and SHA-256 as 64 hexadecimal digits."""

    size: int
    sha256: str


def digest(path: Path) -> Digest:
    """Size and SHA-256 of a file; of a folder, those of its files' names and contents, in the order of the names."""
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
        source: a folder or a zip with `train_images/`, `test_images/`, `train.csv` and `sample_submission.csv`, at the
            top or below one folder; or a lone `.csv` or `.csv.gz`, which becomes `train.csv`.
        target: an existing, empty folder.
        name: how to call the source in messages.

    Raises:
        UserError: not there, of another kind, damaged, without the layout, or with an entry that points outside.
    """
    if source.is_dir():
        _copy_folder(source, target, name)
    elif not source.is_file():
        raise UserError(f"{name}: expected a folder, a zip, a .csv or a .csv.gz, found nothing there{_hint(source)}")
    elif zipfile.is_zipfile(source):
        _unpack(source, target, name)
    elif source.name.endswith((".csv", ".csv.gz")):
        _copy_table(source, target / "train.csv", name)
    elif _starts_as_zip(source):  # the list of its entries stands at a zip's end
        raise UserError(
            f"{name}: expected a whole zip, found {source.stat().st_size} bytes without its end: it was cut off"
        )
    else:
        raise UserError(f"{name}: expected a folder, a zip, a .csv or a .csv.gz, found a file of another kind")


def _starts_as_zip(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _hint(source: Path) -> str:
    if source.is_absolute():
        return ""
    if {".dvc", "tmp", "exps"} <= set(Path.cwd().parts):
        return (
            f" (seen from {Path.cwd()}: a queued experiment, or one with --temp, runs in a copy of the repository, "
            "from which relative paths that leave it cannot be reached: give download.source as an absolute path)"
        )
    return f" (seen from {Path.cwd()})"


def _copy_table(source: Path, target: Path, name: str) -> None:
    try:
        with source.open("rb") as raw, target.open("wb") as write:
            read = gzip.GzipFile(fileobj=raw) if source.suffix == ".gz" else raw
            shutil.copyfileobj(read, write, _CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{name}: expected a whole .csv.gz, found a damaged one ({error})") from None


def _copy_folder(source: Path, target: Path, name: str) -> None:
    # Folders of images are often links to a larger disk.
    paths = (Path(folder, file) for folder, _, files in os.walk(source, followlinks=True) for file in files)
    files = {path.relative_to(source).as_posix(): path for path in paths}
    for wanted, entry in tqdm(_layout(files, name), "download: files", unit=" files", disable=None):
        try:
            read = files[entry].open("rb")
        except OSError as error:
            raise UserError(f"{name}: {files[entry]}: expected a readable file ({error.strerror})") from None
        _write(read, target / wanted)


def _unpack(source: Path, target: Path, name: str) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [info.filename for info in archive.infolist() if not info.is_dir()]
            for entry in entries:
                if PurePosixPath(entry).is_absolute() or ".." in PurePosixPath(entry).parts or "\\" in entry:
                    raise UserError(f"{name}: expected entries inside the archive's folder, found {entry!r}")
            for wanted, entry in tqdm(_layout(entries, name), "download: files", unit=" files", disable=None):
                _write(archive.open(entry), target / wanted)
    # RuntimeError: a password is needed. OSError of its own, without a number: bzip2.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise UserError(f"{name}: expected a whole zip, found a damaged one ({error})") from None


def _layout(entries: Iterable[str], name: str) -> list[tuple[str, str]]:
    """Pairs of (path in the layout, entry), sorted; what does not belong to the layout is left out."""
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
            if not entry.isprintable():  # not UTF-8, or a control character
                raise UserError(f"{name}: expected file names in UTF-8, found {entry!r}")
            pairs.append((str(path), entry))
        elif path.parts[0] in FOLDERS and len(path.parts) > 2 and path.suffix.lower() in (".jpg", ".jpeg", ".png"):
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


def _write(read: IO[bytes], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with read, path.open("wb") as write:
        shutil.copyfileobj(read, write, _CHUNK)
