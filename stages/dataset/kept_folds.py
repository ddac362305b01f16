"""The folds that images keep when others are added: kept_folds.csv, a table in git that preprocess depends on.

    cp data/prepared/folds.csv kept_folds.csv       # from now on, the images of this run keep their folds

Its columns are image (a file name), fold, and content (the start of the SHA-256 of the image's file). The content
decides which image is meant, because a name can pass to another picture, and a picture can get another name. Without
it, or if no image has it any more, the name decides. Other columns are ignored. A table without rows keeps nothing.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.pipeline import outputs
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError

NEW = -1  # instead of a fold, of an image that is not in the table
DIGITS = 16  # of the content, hexadecimal: 64 bits, by which no two of a billion images agree by chance
_HEADER = ("image", "fold", "content")
_HOW = "cp data/prepared/folds.csv kept_folds.csv keeps the folds of the last run"


@dataclass(frozen=True)
class KeptImage:
    """A row of the table.

    Attributes:
        image: file name.
        fold: the fold that it keeps.
        content: the start of the SHA-256 of its file; empty: unknown.
    """

    image: str
    fold: int
    content: str


@dataclass(frozen=True)
class Kept:
    """Which images keep a fold.

    Attributes:
        fold: of each image, int64 (images,); NEW for those that are not in the table.
        gone: how many images of the table are no longer there.
    """

    fold: Int64
    gone: int


def read(path: Path, folds: int) -> list[KeptImage]:
    """Read the table, of which each image stands in one row.

    Args:
        path: the CSV file, UTF-8, with or without a byte order mark; if there is none, no image is kept.
        folds: how many folds there are.

    Raises:
        UserError: it is no such table, lists an image twice, or has another number of folds.
    """
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(path, csv.DictReader(file, strict=True)))
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected CSV with the columns image and fold, found: {error}: {_HOW}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    found = 1 + max((row.fold for row in rows), default=folds - 1)
    if found != folds:
        raise UserError(
            f"{path}: expected images of the folds 0 … {folds - 1} (preprocess.folds: {folds}), found folds up to "
            f"{found - 1}: set preprocess.folds to what it was, name an image of the held-out fold {folds - 1}, or "
            "leave only the header, to divide all images anew"
        )
    return rows


def _rows(path: Path, reader: "csv.DictReader[str]") -> Iterator[KeptImage]:
    missing = [name for name in _HEADER[:2] if name not in (reader.fieldnames or ())]
    if missing:
        found = ", ".join(reader.fieldnames or ())[:80] or "nothing"
        raise UserError(f"{path}: expected the columns image and fold, found {found}: {_HOW}")
    seen: set[str] = set()
    for row in reader:
        image, fold, where = outputs.unescaped(row["image"] or ""), row["fold"] or "", f"{path}, line {reader.line_num}"
        if not image or not (fold.isascii() and fold.isdecimal() and len(fold) < 10):
            raise UserError(f"{where}: expected a file name and a fold, found {image[:80]!r} and {fold[:20]!r}")
        if image in seen:
            raise UserError(f"{where}: expected each image once, found {image} again: remove one of its rows")
        seen.add(image)
        yield KeptImage(image, int(fold), row.get("content") or "")


def of(table: Sequence[KeptImage], images: Sequence[str], contents: Sequence[str], path: Path) -> Kept:
    """Find each image in the table.

    Args:
        table: as `read`.
        images: file names.
        contents: the first `DIGITS` of the SHA-256 of each file.
        path: of the table, for messages.

    Raises:
        UserError: none of the images is in it, so that it belongs to another data set.
    """
    by_name = {row.image: row for row in table}
    by_content: dict[str, list[KeptImage]] = {}
    for row in table:
        if row.content:
            by_content.setdefault(row.content, []).append(row)
    present, taken = set(contents), set[str]()
    fold = np.full(len(images), NEW, np.int64)
    for number, (image, content) in enumerate(zip(images, contents, strict=True)):
        rows, named = by_content.get(content, []), by_name.get(image)
        if named is not None and (named in rows or (not rows and named.content not in present)):
            rows = [named]
        if rows:
            fold[number] = max(row.fold for row in rows)  # of several copies: held out, if one is
            taken.update(row.image for row in rows)
    if table and not taken:
        raise UserError(
            f"{path}: expected images of this data set, such as {images[0]}, found {len(table)} others, such as "
            f"{table[0].image}: leave only its header, to divide all images anew"
        )
    return Kept(fold, len(table) - len(taken))


def write(path: Path, images: Sequence[str], folds: Int64, contents: Sequence[str]) -> None:
    """Write the folds of all images as such a table."""
    outputs.write_table(path, _HEADER, zip(images, folds.tolist(), contents, strict=True))


def figures(kept: Kept, folds: Int64, held_out: int) -> dict[str, int]:
    """How many images keep their fold, are new, are gone, and moved with their near-duplicates."""
    known = kept.fold != NEW
    moved = known & (kept.fold != folds)
    return {
        "kept": int((known & ~moved).sum()),
        "new": int((~known).sum()),
        "gone": kept.gone,
        "moved": int(moved.sum()),
        "moved_to_held_out": int((moved & (folds == held_out)).sum()),
    }


def describe(figures: Mapping[str, int] | None) -> list[str]:
    """These figures in sentences; none, if no image keeps a fold."""
    if figures is None:
        return []
    lines = [
        f"kept_folds.csv: {figures['kept']} images keep their fold, {figures['new']} are new, {figures['gone']} of the "
        "table are no longer there"
    ]
    if figures["moved"]:
        lines.append(
            f"kept_folds.csv: {figures['moved']} images moved, because they are now joined to near-duplicates in "
            f"another fold; {figures['moved_to_held_out']} of them into the held-out fold, where earlier networks may "
            "have been trained on them (compare leaves them out)"
        )
    return lines
