"""`manifest.json`, which names every file of an export with its SHA-256.

It notices damage, a copy that is not whole and files of two exports that were mixed. Whoever changes a file on purpose
can change the manifest too: compare the SHA-256 of manifest.json itself with the one that the export printed.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from stages.pipeline import hashes
from stages.pipeline.cli import UserError

FILE = "manifest.json"
# Kaggle's client reads the last two, and does not send them with the model.
UNLISTED = {FILE, "model-metadata.json", "model-instance-metadata.json"}
LOADED = {"networks", "code"}
AGAIN = "copy the folder again, or export again"


def write(folder: Path) -> None:
    """Write manifest.json into a folder that is complete."""
    content = {"sha256": {name: hashes.sha256(folder / name) for name in sorted(_names(folder))}}
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def check(folder: Path, *, alone: bool = True) -> int:
    """See that a folder holds the files that were exported, and no others. Returns how many there are.

    What Python writes beside the code that it has run (`__pycache__`) does not count.

    Args:
        folder: of the export.
        alone: whether any other file is refused; False: only one in the folders that are loaded from, so that
            photographs, masks or a virtual environment may lie beside them.

    Raises:
        UserError: files are missing, changed or unexpected (a line for each of the three), or there is no manifest.
    """
    expected = _read(folder)
    found = _names(folder)
    faults = []
    missing = sorted(expected.keys() - found)
    if missing:
        faults.append(f"{folder / missing[0]}: expected the exported file, found none{_others(missing)}: {AGAIN}")
    more = sorted(name for name in found - expected.keys() if alone or name.split("/")[0] in LOADED)
    if more:
        faults.append(f"{folder / more[0]}: expected no such file in the export, found one{_others(more)}: remove it")
    changed = [name for name in sorted(expected.keys() & found) if hashes.sha256(folder / name) != expected[name]]
    if changed:
        faults.append(
            f"{folder / changed[0]}: expected the exported file (SHA-256 {expected[changed[0]][:16]}…), found another "
            f"one{_others(changed)}: {AGAIN}"
        )
    if faults:
        raise UserError("\n".join(faults))
    return len(expected)


def _read(folder: Path) -> dict[str, str]:
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))["sha256"]
        if not content or not all(isinstance(text, str) for text in content.values()):
            raise TypeError("sha256")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{folder}: expected a folder that python -m stages export has written, with {FILE}, found none"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(f"{folder / FILE}: expected what export writes, found a damaged file: {AGAIN}") from None
    return dict(content)


def _names(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {name.as_posix() for name in files if "__pycache__" not in name.parts} - UNLISTED


def _others(names: Iterable[str]) -> str:
    count = len(list(names)) - 1
    return f" (and {count} more like it)" if count else ""
