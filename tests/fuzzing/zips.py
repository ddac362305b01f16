"""Zips: their lists of entries and their contents, zips within them, and tables packed by gzip."""

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from stages.dataset import archive
from stages.dataset.layout import Files
from stages.kaggle import archive_check
from tests.fuzzing import changes
from tests.fuzzing.reader import Files as Input
from tests.fuzzing.reader import Reader

KIND = "zips"
ZIP = "source.zip"
PACKED = b"".join(b"row %d,1,1 2 3 4\n" % number for number in range(300))
CONTENTS = {
    "train.csv": b"ImageId,ClassId,EncodedPixels\n" + PACKED,
    "sample_submission.csv": b"ImageId,EncodedPixels,ClassId\na.png,1 2,0\n",
    "train_images/a.png": b"first image " * 30,
    "train_images/b.png": b"second image",
    "test_images/c.png": b"third image" * 5,
}
NAMES = (
    b"../x.png", b"/x.png", b"train_images/../../x.png", b"train_images\\x.png", b"", b".", b"/", b"a\0b.png",
    b"\xff.png", b"train_images/a.png", b"train_images/A.PNG", b"./train.csv", b"train.csv/", b"train_images",
    b"x" * 5000 + b".png",
    "train_images/é.png".encode(), b"train_images/\n.png", b"__MACOSX/train.csv", b"train_images/deep/a.png",
    b"test_images.zip", b"C:\\x.png", b"train_images/.png", b"train_images/" + b"y" * 300 + b".png",
)  # fmt: skip
CHANGED = b"another content"
EXTREMES = (0, 1, 8, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


@dataclass(frozen=True)
class Entry:
    """One entry as it is written; None: as is right.

    Attributes:
        flags, method, sizes, checksum, offset: in the list at the end.
        local_flags, local_method: in the header before the contents.
        mode: Unix mode, in the upper half of the attributes.
        extra: further fields.
    """

    name: bytes
    content: bytes
    method: int = 8
    flags: int = 0
    local_flags: int | None = None
    local_method: int | None = None
    size: int | None = None
    packed_size: int | None = None
    checksum: int | None = None
    offset: int | None = None
    mode: int = 0o100644
    extra: bytes = b""


def written(entries: list[Entry], comment: bytes = b"", count: int | None = None) -> bytes:
    """A zip, field by field."""
    body, listing = io.BytesIO(), b""
    for entry in entries:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(entry.content) + packer.flush() if entry.method == 8 else entry.content
        checksum = zlib.crc32(entry.content) if entry.checksum is None else entry.checksum
        size = len(entry.content) if entry.size is None else entry.size
        packed_size = len(packed) if entry.packed_size is None else entry.packed_size
        offset = body.tell() if entry.offset is None else entry.offset
        flags = entry.flags if entry.local_flags is None else entry.local_flags
        method = entry.method if entry.local_method is None else entry.local_method
        body.write(
            struct.pack(
                "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, checksum, packed_size, size, len(entry.name), 0
            )
        )
        body.write(entry.name + packed)
        listing += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 0x314, 20, entry.flags, entry.method, 0, 33, checksum, packed_size, size,
            len(entry.name), len(entry.extra), 0, 0, 0, entry.mode << 16, offset,
        ) + entry.name + entry.extra  # fmt: skip
    start, number = body.tell(), len(entries) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, number, number, len(listing), start, len(comment))
    return body.getvalue() + listing + end + comment


PLAIN = [Entry(name.encode(), content, 8 if len(content) > 100 else 0) for name, content in CONTENTS.items()]
INNER = [entry for entry in PLAIN if entry.name.startswith(b"train_images/")]
OUTER = [entry for entry in PLAIN if entry not in INNER]


@st.composite
def changed_entries(draw: DrawFn, entries: list[Entry]) -> bytes:
    """A zip whose entries have other fields, come twice or are left out."""
    found = list(entries)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(found) - 1))
        entry, number = found[place], draw(st.sampled_from(EXTREMES))
        field = draw(st.sampled_from((
            "name", "name", "method", "flags", "local_flags", "local_method", "size", "packed_size", "checksum",
            "offset", "mode", "extra", "content", "repeat", "remove",
        )))  # fmt: skip
        if field == "repeat":
            found.insert(draw(st.integers(0, len(found))), entry)
        elif field == "remove" and len(found) > 1:
            del found[place]
        elif field == "name":
            found[place] = replace(entry, name=draw(st.sampled_from(NAMES)))
        elif field in ("method", "local_method"):
            found[place] = _with(entry, field, draw(st.sampled_from((0, 1, 8, 9, 12, 14, 93, 95, 98, 99, 65535))))
        elif field in ("flags", "local_flags"):
            found[place] = _with(entry, field, 1 << draw(st.integers(0, 15)))
        elif field == "mode":
            found[place] = replace(
                entry, mode=draw(st.sampled_from((0, 0o120777, 0o040755, 0o010644, 0o140000, 0xFFFF)))
            )
        elif field == "extra":
            sizes = struct.pack("<2H3Q", 1, 24, number, 1 << 62, draw(st.sampled_from((0, 2**63, 2**64 - 1))))
            found[place] = replace(entry, extra=draw(st.sampled_from((sizes, sizes[:9], b"\1", b"\x75\x70\5\0\1abcd"))))
        elif field == "content":
            found[place] = replace(entry, content=draw(st.sampled_from((b"", CHANGED))))
        elif field != "remove":
            found[place] = _with(entry, field, number)
    return written(
        found, draw(st.sampled_from((b"", b"", b"PK\5\6" * 8))), draw(st.sampled_from((None, None, 0, 65535)))
    )


def _with(entry: Entry, field: str, number: int) -> Entry:
    changed: dict[str, Any] = {field: number}
    return replace(entry, **changed)


def nested(inner: SearchStrategy[bytes], method: int) -> SearchStrategy[bytes]:
    """A zip with the training images in a zip within it."""
    return inner.map(lambda content: written([*OUTER, Entry(b"train_images.zip", content, method)]))


INPUTS = st.one_of(
    changes.raw([written(PLAIN)]),
    changed_entries(PLAIN),
    changed_entries([*OUTER, Entry(b"train_images.zip", written(INNER), 0)]),
    nested(changes.raw([written(INNER)]), 0),
    nested(changes.raw([written(INNER)]), 8),
    nested(changed_entries(INNER), 0),
    nested(changed_entries(INNER), 8),
)


def copied(folder: Path) -> str | None:
    """Copy a competition's archive: what arrives lies in its folder, and was in the archive as it was made."""
    target = folder / "raw"
    target.mkdir()
    source = folder / ZIP
    archive.copy(source, target, ZIP, Files())
    allowed, raw = {*CONTENTS.values(), CHANGED}, source.read_bytes()
    outside = [path for path in folder.rglob("*") if path.is_file() and target not in path.parents and path != source]
    if outside:
        return f"written outside of its folder: {outside}"
    for path in target.rglob("*"):
        if path.is_symlink() or (path.is_file() and path.read_bytes() not in allowed and path.read_bytes() not in raw):
            return f"{path.name}: another content than was packed: {path.read_bytes()[:60]!r}"
    return None


def downloaded(folder: Path) -> str | None:
    """Look for damage in a download; what has none can be read by every other reader."""
    source = folder / ZIP
    if archive_check.damage(source):
        raise zipfile.BadZipFile("damaged")
    with zipfile.ZipFile(source) as found:
        wrong = found.testzip()
    return f"{wrong} is damaged" if wrong else None


def packed_table(folder: Path) -> str | None:
    """Copy a table that is packed by gzip; its contents have a checksum."""
    target = folder / "raw"
    target.mkdir()
    archive.copy(folder / "train.csv.gz", target, "train.csv.gz", Files())
    found = (target / "train.csv").read_bytes()
    return None if found in (PACKED, b"") or found == PACKED * 2 else f"another content: {found[:60]!r}"


def _only(name: str, inputs: SearchStrategy[bytes]) -> SearchStrategy[Input]:
    return inputs.map(changes.named(name))


READERS = [
    Reader("archive", KIND, _only(ZIP, INPUTS), copied),
    Reader("download", KIND, _only(ZIP, INPUTS), downloaded, (zipfile.BadZipFile,)),
    Reader("packed table", KIND, _only("train.csv.gz", changes.raw([gzip.compress(PACKED, mtime=0)])), packed_table),
]
