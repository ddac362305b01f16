"""YOLO-segmentation: a text per image."""

from collections.abc import Sequence
from pathlib import Path

from stages.conversion import text_files
from stages.conversion.labels import Shape, Shapes, polygon
from stages.pipeline.cli import UserError


def read(file: Path, classes: int) -> Shapes:
    """Read a file: on each line a class from 0, then corners as shares of the image's sides; an empty file is clean.

    Raises:
        UserError: a line holds something else.
    """
    shapes = []
    for number, line in enumerate(text_files.text(file).splitlines(), start=1):
        where = f"{file}, line {number}"
        if not line.strip():
            continue
        first, *corners = line.split()
        try:
            numbers = tuple(map(float, corners))
        except ValueError:
            raise UserError(f"{where}: expected numbers, found {line[:60]!r}") from None
        if not (first.isascii() and first.isdigit()) or len(first) > 9 or int(first) >= classes:
            raise UserError(f"{where}: expected a class in 0 … {classes - 1} (--classes), found {first[:20]!r}")
        if len(numbers) == 4:
            raise UserError(f"{where}: expected the corners of a polygon, found a box: these labels are of detection")
        shapes.append(Shape(int(first) + 1, (polygon(numbers, where),), None, where))
    return Shapes(tuple(shapes), str(file), relative=True)


def compare_names(file: Path, names: Sequence[str]) -> None:
    """See that the names of the classes stand in the order of a `classes.txt`; other names than there are allowed.

    Raises:
        UserError: they are the same names in another order.
    """
    stated = [line.strip() for line in text_files.text(file).splitlines() if line.strip()]
    if sorted(stated) == sorted(names) and stated != list(names):
        raise UserError(f"--classes: expected the order of {file}, {' '.join(stated)}, found {' '.join(names)}")
