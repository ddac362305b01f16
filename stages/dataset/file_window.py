"""An entry that a zip stores without packing it, read and searched in place as a file of its own."""

import io
import os
import zipfile
from typing import IO

_LOCAL_HEADER = 30  # bytes before the name of an entry


def of(archive: zipfile.ZipFile, info: zipfile.ZipInfo, buffer: int) -> IO[bytes]:
    """Open an entry in place. zipfile's own reader starts again at the beginning for every step back.

    Args:
        archive: an open zip.
        info: an entry that is neither packed nor encrypted. Its checksum is not checked.
        buffer: bytes to read at once.

    Raises:
        zipfile.BadZipFile: the entry is not where the zip says.
    """
    file = archive.fp
    if file is None:
        raise zipfile.BadZipFile("it was closed")
    # The local header has a name and extra fields with lengths of their own.
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or not header.startswith(b"PK\3\4"):
        raise zipfile.BadZipFile("Bad magic number for file header")
    name, extra = (int.from_bytes(header[place : place + 2], "little") for place in (26, 28))
    start = info.header_offset + _LOCAL_HEADER + name + extra
    return io.BufferedReader(_Window(file, start, info.compress_size), buffer)


class _Window(io.RawIOBase):
    """A part of a file, read as a file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place of the part."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read from there, up to the end of the part."""
        self._file.seek(self._start + self._place)
        chunk = self._file.read(max(0, min(len(buffer), self._size - self._place)))
        buffer[: len(chunk)] = chunk
        self._place += len(chunk)
        return len(chunk)
