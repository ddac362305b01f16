"""Zips, and zips within them, checked before anything is written.

Where their entries lead, how many there are, whether they share bytes, and how large they would be when unpacked:
Python's zipfile checks none of this.
"""

import os
import stat
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from stages.dataset import file_window
from stages.dataset.zip_checks import MOST_ENTRIES, bound_directory, check_names, explaining_damage
from stages.pipeline.cli import UserError

# How large a packed source may become. Images hardly shrink when packed, tables of run lengths to a quarter or less.
MOST_TIMES = 100
ALLOWANCE = 1 << 30  # bytes, in addition
MOST_ZIPS = 100  # within a source

CHUNK = 1 << 20
_SMALL = 1 << 12  # packed bytes, for methods that unpack everything they are given at once


@dataclass(frozen=True, eq=False)
class ZipEntry:
    """A file in a zip.

    Attributes:
        path: relative to the source; see `stages.dataset.image_paths.Entry`.
        shown: the zip within the source, if it is one, and the name in it.
    """

    path: str
    shown: str
    archive: "_Zip"
    info: zipfile.ZipInfo

    @property
    def chunk(self) -> int:
        """How many bytes to read at once."""
        return CHUNK if self.info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else _SMALL

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        return self.archive.zip.open(self.info)


@dataclass(frozen=True, eq=False)
class _Zip:
    """An open zip.

    Attributes:
        where: for messages.
        size: its own bytes.
    """

    zip: zipfile.ZipFile
    where: str
    size: int


@dataclass
class Zips:
    """The zips of one source, which are closed together, and what is known about them all.

    Args:
        name: of the source, for messages.
        beside: a folder on the disk of the target; a packed zip within a zip is unpacked to a nameless file there.

    Attributes:
        size: bytes of the zips that were found as files: the measure of how much may come out of them.
    """

    name: str
    beside: Path
    size: int = 0
    _entries: int = 0
    _opened: int = 0
    _inner: list[ZipEntry] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Zips":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of_file(self, path: Path, folder: str | None = None) -> list[ZipEntry]:
        """The entries of a zip that is a file.

        Args:
            path: of the file.
            folder: the folder for which it stands in the source; None: it is the source.

        Raises:
            UserError: it is damaged, or one of its entries is refused.
        """
        self.size += path.stat().st_size
        where = self.name if folder is None else f"{self.name}: {path}"
        return self._read(self._stack.enter_context(path.open("rb")), where, folder)

    def of_entry(self, entry: ZipEntry, folder: str) -> list[ZipEntry]:
        """The entries of a zip within the source, which stands for `folder`.

        Raises:
            UserError: it is damaged, no zip, too large, or one of its entries is refused.
        """
        self._inner.append(entry)
        self.check([])
        where = f"{self.name}: {entry.shown}"
        with explaining_damage(where):
            info, archive = entry.info, entry.archive
            stream: IO[bytes]
            if info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1:  # 1: encrypted
                stream = self._stack.enter_context(file_window.of(archive.zip, info, CHUNK))
            else:
                stream = self._stack.enter_context(tempfile.TemporaryFile(dir=self.beside))  # noqa: SIM115  (closed later)
                with entry.open() as read:
                    while chunk := read.read(entry.chunk):
                        stream.write(chunk)
            return self._read(stream, where, folder)

    def check(self, chosen: Iterable[ZipEntry]) -> None:
        """Check what would be unpacked: files only, no shared bytes, and not more than real archives hold."""
        packed: Counter[_Zip] = Counter()
        unpacked = 0
        for entry in (*self._inner, *chosen):
            info = entry.info
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):  # 0: from a system without Unix modes
                what = "a link" if kind == stat.S_IFLNK else "something else"
                raise UserError(f"{entry.archive.where}: expected files, found {what}: {info.filename!r}")
            packed[entry.archive] += info.compress_size
            unpacked += info.file_size
        for archive, found in packed.items():
            if found > archive.size:
                raise UserError(
                    f"{archive.where}: expected entries of at most {archive.size:,} packed bytes together, as the zip "
                    f"has, found {found:,}: they overlap"
                )
        most = most_bytes(self.size)
        if unpacked > most:
            raise UserError(
                f"{self.name}: expected at most {most:,} bytes when unpacked ({MOST_TIMES} times its size plus "
                f"{ALLOWANCE:,}), found {unpacked:,}"
            )

    def _read(self, stream: IO[bytes], where: str, folder: str | None) -> list[ZipEntry]:
        self._opened += folder is not None
        if self._opened > MOST_ZIPS:
            raise UserError(f"{self.name}: expected at most {MOST_ZIPS} zips that may hold its data, found more")
        with explaining_damage(where):
            size = stream.seek(0, os.SEEK_END)
            if not zipfile.is_zipfile(stream):
                raise UserError(
                    f"{where}: expected a whole zip, found a file of another kind, or a zip that was cut off"
                )
            bound_directory(stream, where)
            archive = _Zip(self._stack.enter_context(zipfile.ZipFile(stream)), where, size)
            names = archive.zip.namelist()
            self._entries += len(names)
            if self._entries > MOST_ENTRIES:
                raise UserError(f"{where}: expected at most {MOST_ENTRIES:,} entries, found {self._entries:,}")
            check_names(names, where)
            infos = [info for info in archive.zip.infolist() if not info.is_dir()]
        if folder is None:
            return [ZipEntry(info.filename, info.filename, archive, info) for info in infos]
        paths = _within(folder, [info.filename for info in infos])
        shown = where.removeprefix(f"{self.name}: ")
        return [
            ZipEntry(path, f"{shown}/{info.filename}", archive, info) for path, info in zip(paths, infos, strict=True)
        ]


def most_bytes(size: int) -> int:
    """The most bytes that a packed file of this size may become."""
    return MOST_TIMES * size + ALLOWANCE


def _within(folder: str, names: Sequence[str]) -> list[str]:
    """Paths in the source of the entries of a zip that stands for `folder`.

    >>> _within("a/train", ["images/1.png"]), _within("a/train", ["train/1.png"])
    (['a/train/images/1.png'], ['a/train/1.png'])
    >>> _within("a/masks.csv", ["masks.csv", "__MACOSX/._masks.csv"])
    ['a/masks.csv', 'a/__MACOSX/._masks.csv']
    """
    parent, last = os.path.split(folder)
    visible = [name for name in names if "__MACOSX" not in name and "/." not in f"/{name}"]
    doubled = bool(visible) and all(name.startswith(f"{last}/") for name in visible)
    place = parent if doubled or visible == [last] else folder
    return [os.path.join(place, name) for name in names]
