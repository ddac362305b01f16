"""What is checked of a zip's list of entries before anything is read by it, and how damage is reported."""

import errno
import lzma
import os
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO

from stages.pipeline.cli import UserError

MOST_ENTRIES = 1_000_000  # of all zips of a source together
_DIRECTORY = 128 * MOST_ENTRIES  # bytes of a zip's list of entries, which is read in one piece
LONGEST_NAME = 4096  # characters of an entry's path, as of any path on Linux
LONGEST_SHOWN = 200  # characters of it in a message


@contextmanager
def explaining_damage(where: str, entry: str = "") -> Iterator[None]:
    """Turn what zipfile raises about a damaged zip into a `UserError`, which names the entry that is read, if any."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = str(error) or type(error).__name__
        if entry not in reason:
            reason = f"{shown(entry)}: {reason}"
        raise UserError(f"{where}: expected a whole zip, found a damaged one ({shortened(reason)})") from None


# What zipfile raises. RuntimeError: a password is needed, or a method is unknown. OSError without a number: damaged
# bzip2; EINVAL: a place outside the file. ValueError: a name that is not UTF-8 though it claims to be.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    EOFError, OverflowError, RuntimeError, ValueError, OSError,
)  # fmt: skip


def shortened(text: str) -> str:
    """The beginning of a text that may be as long as the file it was read from."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def shown(name: str) -> str:
    """A name for messages: without control characters, and its beginning only if it is long."""
    return shortened(name if name.isprintable() else repr(name))


def bound_directory(stream: IO[bytes], where: str) -> None:
    """Refuse a zip whose list of entries would fill the memory. The size of the list is in the file's last bytes."""
    length = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, length - (1 << 16) - 100))  # the longest comment, and the records before it
    tail = stream.read()
    end, wide_end = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    if size == 0xFFFFFFFF and wide_end >= 0:  # ZIP64
        size = int.from_bytes(tail[wide_end + 40 : wide_end + 48], "little")
    if size > _DIRECTORY:
        raise UserError(f"{where}: expected a list of entries of at most {_DIRECTORY:,} bytes, found {size:,}")


def check_names(names: Sequence[str], where: str) -> None:
    """Check all entries, also those that are left out: none leads outside, none occurs twice."""
    for entry in names:
        parts = PurePosixPath(entry).parts
        if not parts or len(entry) > LONGEST_NAME:
            raise UserError(
                f"{where}: expected names of 1 to {LONGEST_NAME} characters, found {len(entry):,}: "
                f"{shortened(repr(entry))}"
            )
        if PurePosixPath(entry).is_absolute() or ".." in parts or "\\" in entry:
            raise UserError(f"{where}: expected entries inside the archive's folder, found {shortened(repr(entry))}")
    plain = Counter(str(PurePosixPath(name)) for name in names)  # ./train.csv is train.csv
    entry, times = plain.most_common(1)[0] if names else ("", 1)
    if times > 1:
        raise UserError(f"{where}: expected every entry once, found {shortened(repr(entry))} {times} times")
