"""A training table checked against its images, before anything is trained on it."""

import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path

from stages.dataset import rle, tables
from stages.dataset.layout import Layout
from stages.pipeline.cli import UserError

SHOWN = 10  # faults told one by one


class Faults:
    """Collects what is wrong, to tell all of it at once."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.count = 0

    def add(self, message: str) -> None:
        """Note one fault; the first few are kept word by word."""
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(message)

    def extend(self, later: "Faults") -> None:
        """Note what another one has collected, behind what is here."""
        self.count += later.count
        self.shown = [*self.shown, *later.shown][:SHOWN]

    def raise_if_any(self) -> None:
        """Raise a `UserError` that lists the faults, if there are any."""
        if self.count:
            more = [f"… and {self.count - SHOWN} more"] if self.count > SHOWN else []
            raise UserError("\n  ".join([f"the data has {self.count} fault(s):", *self.shown, *more]))


def masks(table: Path, names: set[str], layout: Layout, faults: Faults) -> Iterator[tables.Row]:
    """Read the masks of a training table and check each.

    Args:
        table: `train.csv`, in either form.
        names: the image files that there are.
        layout: classes and image size.
        faults: receives what is wrong: a mask of an image that is not there, run lengths that are invalid, an image
            and class that stand in two rows.

    Yields:
        Every valid row that holds a mask.
    """
    seen: dict[tuple[str, int], int] = {}  # of images that there are: a table of any length needs no more
    for row in tables.read(table, layout):
        where = f"{table}, line {row.line}"
        if row.image not in names:
            hint = alike(row.image, names) if faults.count < SHOWN else ""
            faults.add(f"{where}: expected an image in {table.parent}/train_images, found no {row.image}{hint}")
            continue
        first = seen.setdefault((row.image, row.class_id), row.line)
        if first != row.line:
            faults.add(
                f"{where}: expected one row for {row.image} and class {row.class_id}, found another on line {first}"
            )
            continue
        try:
            rle.parse(row.runs, *layout.size)
        except rle.RunLengthError as error:
            faults.add(f"{where}: {row.image}, class {row.class_id}: {error}")
            continue
        if row.runs.strip():
            yield row


def alike(image: str, names: Collection[str]) -> str:
    """The end of a message on an image that is not there: a name that differs only in what is easily overlooked."""

    def plain(name: str) -> str:
        return unicodedata.normalize("NFC", name).casefold()

    found = next((name for name in names if plain(name) == plain(image)), None)
    if found is None:
        return ""
    if unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", image):
        return f" but one that looks the same in another Unicode form (NFC, NFD): {found!a} for {image!a}"
    return f" but {found}"
