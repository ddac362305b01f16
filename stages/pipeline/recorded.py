"""Compares outputs with what dvc.lock records of them, by reading them.

`dvc status` trusts a file's time, size and inode. A file that was changed in place and kept them passes as unchanged,
and a hard or symbolic link carries the change into DVC's cache, from where it comes back. So what leaves the project is
hashed anew.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.pipeline import yaml_files
from stages.pipeline.cli import UserError

LOCK = Path("dvc.lock")
_CHUNK = 1 << 20


def check(path: Path) -> None:
    """Check that a stage's output is the one that dvc.lock records.

    Args:
        path: a file or a folder, as dvc.yaml names it; or a file in such a folder on which a stage depends by itself.

    Raises:
        UserError: it is not recorded, missing, or another one; the message names the file, and its copy in DVC's cache
            if that was changed too.
    """
    recorded = md5_recorded(path)
    if not path.exists():
        raise UserError(f"{path}: expected the output that {LOCK} records, found none: run dvc checkout or dvc repro")
    if recorded.endswith(".dir") != path.is_dir():
        kinds = ("a file", "a folder") if path.is_dir() else ("a folder", "a file")
        raise UserError(f"{path}: expected {kinds[0]}, as {LOCK} records, found {kinds[1]}: remove it, then {_RESTORE}")
    hashes = folder_hashes(path) if path.is_dir() else None
    found = md5(path) if hashes is None else md5_of_folder(hashes)
    if found != recorded:
        raise UserError(_difference(path, recorded, found, hashes))


def check_read(stage: str, path: Path) -> None:
    """Check that a stage's results were made from the output that dvc.lock records now.

    Args:
        stage: its name in dvc.yaml.
        path: an output of another stage, which this one reads.

    Raises:
        UserError: they were made from an earlier one, as after `dvc repro` of a single stage; or nothing is recorded.
    """
    read = next((entry for entry in _entries("deps", stage) if entry["path"] == path.as_posix()), {})
    if read.get("md5") != md5_recorded(path):
        raise UserError(
            f"{LOCK}: expected results of {stage} from the {path} that is recorded, found some from another one: "
            "run dvc repro"
        )


def parameters(stage: str, section: str) -> Any:
    """The section of params.yaml with which a stage ran, as dvc.lock records it: not checked.

    Raises:
        UserError: none is recorded.
    """
    found = _stages().get(stage, {}).get("params") or {}
    for key in ("params.yaml", section):
        found = found.get(key) if isinstance(found, dict) else None
    if found is None:
        raise UserError(f"{LOCK}: expected the parameters {section} of the stage {stage}, found none: run dvc repro")
    return found


def md5(path: Path) -> str:
    """MD5 of a file's bytes, in 32 hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def folder_hashes(folder: Path) -> dict[str, str]:
    """MD5 of all files in a folder, at any depth, by their paths in it; empty folders do not count."""
    files = (Path(top, name) for top, _, names in os.walk(folder, followlinks=True) for name in names)
    return {file.relative_to(folder).as_posix(): md5(file) for file in files}


def md5_of_folder(hashes: dict[str, str]) -> str:
    """DVC's hash of a folder: the MD5 of its listing as JSON, and ".dir".

    >>> md5_of_folder({"b": "3b5d5c3712955042212316173ccf37be", "a/c": "60b725f10c9c85c70d97880dfe8191b3"})
    'b4e559965da4f5c9e2e8e6cbfe6be491.dir'
    """
    listing = [{"md5": hashes[name], "relpath": name} for name in sorted(hashes)]
    return hashlib.md5(json.dumps(listing).encode(), usedforsecurity=False).hexdigest() + ".dir"


_RESTORE = "run dvc checkout, and dvc repro if that cannot restore it"


def md5_recorded(path: Path) -> str:
    """The hash of an output in dvc.lock; of a part of an output, that by which a stage depends on it.

    Raises:
        UserError: there is none.
    """
    entries = [*_entries("outs"), *_entries("deps")]
    entry = next((entry for entry in entries if entry["path"] == path.as_posix()), {})
    if entry.get("hash") != "md5":
        raise UserError(f"{LOCK}: expected the MD5 of {path}, found none: run dvc repro")
    return str(entry["md5"])


def _entries(kind: str, stage: str | None = None) -> list[dict[str, Any]]:
    """What dvc.lock records of the outputs (outs) or inputs (deps) of one stage, or of all."""
    stages = _stages()
    return [entry for name, one in stages.items() if stage in (None, name) for entry in one.get(kind) or []]


def _stages() -> dict[str, dict[str, Any]]:
    """The stages in dvc.lock, by name."""
    return _read(md5(LOCK) if LOCK.is_file() else None)


@lru_cache(maxsize=1)
def _read(digest: str | None) -> dict[str, dict[str, Any]]:
    """The same for a dvc.lock with this MD5: reading it takes a tenth of a second."""
    lock = yaml_files.read(LOCK, "the record of the stages' outputs (dvc repro writes it)")
    try:
        stages: dict[str, dict[str, Any]] = lock["stages"]
        entries = [entry for one in stages.values() for kind in ("outs", "deps") for entry in one.get(kind) or []]
        if not all(entry["path"] and (entry.get("hash") != "md5" or entry["md5"]) for entry in entries):
            raise TypeError("path or md5")
    except (TypeError, KeyError, AttributeError):
        raise UserError(f"{LOCK}: expected stages with their outputs, found others: restore it from git") from None
    return stages


def _difference(path: Path, recorded: str, found: str, hashes: dict[str, str] | None) -> str:
    """What differs, and what to do about it."""
    cached = _cache()
    changed = {path: recorded}
    if hashes is not None:
        listing = _listing(cached(recorded), recorded)
        if listing is None:
            return (
                f"{path}: expected the files that {LOCK} records, found others or changed ones (MD5 {found}, not "
                f"{recorded}), and no listing of them in DVC's cache: remove the folder, then run dvc pull or dvc repro"
            )
        changed = {path / name: value for name, value in listing.items() if hashes.get(name) != value}
        more = sorted(hashes.keys() - listing.keys())
        if more:
            return f"{path / more[0]}: expected no such file, as {LOCK} records {path}: remove it{_others(more)}"
    first = next(iter(changed))
    remove = [str(first)] if first.exists() else []
    copy = cached(changed[first])
    if copy is not None and copy.is_file() and md5(copy) != changed[first]:
        remove.append(f"{copy} (its copy in DVC's cache, which was changed too)")
    advice = f"remove {' and '.join(remove)}, then " if remove else ""
    what = "found another one" if first.exists() else "found none"
    return f"{first}: expected the file that {LOCK} records, {what}{_others(changed)}: {advice}{_RESTORE}"


def _others(files: Any) -> str:
    return f" (and {len(files) - 1} more like it)" if len(files) > 1 else ""


def _listing(file: Path | None, recorded: str) -> dict[str, str] | None:
    """The hashes of a folder's files, as DVC's cache has them; None if it has none, or a damaged listing."""
    if file is None or not file.is_file() or md5(file) + ".dir" != recorded:
        return None
    return {entry["relpath"]: entry["md5"] for entry in json.loads(file.read_bytes())}


def _cache() -> Callable[[str], Path | None]:
    """The function from a hash to the file in DVC's cache; to None outside of a repository of DVC."""
    import dvc.repo  # takes a second, and is needed for a message only
    from dvc.exceptions import NotDvcRepoError

    try:
        with dvc.repo.Repo() as repo:
            local = repo.cache.local
    except NotDvcRepoError:
        return lambda value: None
    return lambda value: Path(os.path.relpath(local.oid_to_path(value)))
