"""Files of a training's state, written so that they survive a crash, and checked before they are used."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.pipeline import hashes

Checksums = dict[str, str]
OWN = "checksum"  # key of a record's own SHA-256


def synced(folder: Path, files: Iterable[Path]) -> Checksums:
    """Write these files and their folders through to the disk.

    Args:
        folder: that names are relative to.
        files: inside it.

    Returns:
        SHA-256 of each file by its name relative to `folder`.
    """
    found = {}
    for file in sorted(files):
        found[file.relative_to(folder).as_posix()] = hashes.sha256(file)
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    for parent in {folder, *((folder / name).parent for name in found)}:
        _sync_folder(parent)
    return found


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Write JSON with its own checksum, which replaces `path` at once, on the disk too."""
    text = json.dumps(content)
    whole = json.dumps(content | {OWN: hashlib.sha256(text.encode()).hexdigest()})
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(whole)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)
    _sync_folder(path.parent)


def read_record(path: Path) -> dict[str, Any]:
    """Read what `write_record` wrote.

    Raises:
        ValueError: it is something else, or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: expected a record, found lists that are nested too deeply") from None
    if not isinstance(content, dict) or OWN not in content:
        raise ValueError(f"{path}: expected a record with its checksum")
    checksum = content.pop(OWN)
    if hashlib.sha256(json.dumps(content).encode()).hexdigest() != checksum:
        raise ValueError(f"{path}: expected another checksum")
    return content


def damaged(folder: Path, expected: Checksums) -> str | None:
    """The first file that is missing or has another checksum; None if all are whole."""
    for name, checksum in expected.items():
        try:
            whole = hashes.sha256(folder / name) == checksum
        except OSError:
            whole = False
        if not whole:
            return str(folder / name)
    return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
