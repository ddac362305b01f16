"""Finds damage in a zip that was downloaded, in its list of entries as well as in its contents."""

import errno
import lzma
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from stages.dataset.zip_checks import bound_directory
from stages.pipeline.cli import UserError

_CHUNK = 1 << 20
_HEADER = struct.Struct("<4s5H3L2H")  # of an entry, before its contents
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 1, 8, 1 << 11  # flags; the second: sizes and checksum stand after the contents
_WIDE = 0xFFFFFFFF  # a size that stands elsewhere, since it needs 64 bits
# What zipfile raises about damage. RuntimeError: a password is needed; NotImplementedError, another compression;
# UnicodeDecodeError, a name; OSError without a number, bzip2.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(RuntimeError, ValueError, LookupError, OverflowError, UserError),
)


def damage(path: Path) -> str | None:
    """Read every entry of a zip, and compare the list of entries at its end with the header before each entry.

    Returns:
        What is wrong with it; None if nothing is.

    Raises:
        OSError: the file cannot be read, which says nothing about its contents.
    """
    try:
        with path.open("rb") as file:
            bound_directory(file, path.name)
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                if len(entries) % (1 << 16) != _announced(file):
                    return f"{path.name}: {len(entries)} entries in the list, not as many as announced"
                return next(filter(None, (_wrong(archive, info, file) for info in entries)), None)
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # EINVAL: an impossible place in the file
            raise
        return f"{path.name}: {error}"
    except _DAMAGE as error:
        return f"{path.name}: {error}"


def _announced(file: IO[bytes]) -> int:
    """The number of entries modulo 65536, as the record at the zip's end has it."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - (1 << 16) - 22))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    return int.from_bytes(tail[end + 10 : end + 12], "little")


def _wrong(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: IO[bytes]) -> str | None:
    """What is wrong with an entry."""
    file.seek(info.header_offset)
    _, _, flags, method, _, _, *sizes, name, extra = _HEADER.unpack(file.read(_HEADER.size))
    important = _ENCRYPTED if info.orig_filename.isascii() else _ENCRYPTED | _UTF8
    listed = [info.CRC, info.compress_size, info.file_size]
    same = method == info.compress_type and not (flags ^ info.flag_bits) & important
    if flags & _SIZES_FOLLOW:
        file.seek(name + extra + info.compress_size, os.SEEK_CUR)
        same = same and file.read(4) in (b"PK\7\x08", info.CRC.to_bytes(4, "little"))
    else:
        same = same and all(here in (there, _WIDE) for here, there in zip(sizes, listed, strict=True))
    if not same:
        return f"{info.filename}: the list of entries contradicts the header before the contents"
    read = 0
    try:
        with archive.open(info) as entry:  # by the entry, not by its name, which a damaged list may have twice
            while chunk := entry.read(_CHUNK):
                read += len(chunk)
    except zipfile.BadZipFile as error:
        return f"{info.filename}: wrong checksum" if "Bad CRC-32" in str(error) else f"{info.filename}: {error}"
    return None if read == info.file_size else f"{info.filename}: {read} bytes instead of {info.file_size}"
