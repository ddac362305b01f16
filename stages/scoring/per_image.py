"""Scores of single images, as `evaluate` writes them to metrics/images.csv, for intervals and comparisons."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.pipeline.cli import UserError

Counts = npt.NDArray[np.int64]
COLUMNS = {"split", "image", "group", "class", "dice", "true_pixels", "predicted_pixels", "intersection"}


@dataclass(frozen=True)
class ImageScores:
    """The images of one split.

    Attributes:
        classes: names, ClassId 1 first.
        images: file names, n of them.
        groups: int64 (n,), shared by near-duplicates.
        dice: float64 (n, classes), 1 where neither the true nor the predicted mask has a pixel.
        true, predicted, intersection: int64 (n, classes), pixels.
    """

    classes: list[str]
    images: list[str]
    groups: Counts
    dice: npt.NDArray[np.float64]
    true: Counts
    predicted: Counts
    intersection: Counts


def read(lines: Iterable[str], name: str) -> dict[str, ImageScores]:
    """Read metrics/images.csv.

    Args:
        lines: the file's lines.
        name: what to call the file in a message.

    Returns:
        The scores of each split: "held_out" and "validation".

    Raises:
        UserError: it is not such a file.
    """
    table = csv.DictReader(lines)
    missing = sorted(COLUMNS - set(table.fieldnames or []))
    if missing:
        raise UserError(f"{name}: expected the columns of metrics/images.csv, found no {', '.join(missing)}")
    rows: dict[str, dict[str, dict[str, dict[str, str]]]] = {}  # by split, image and class
    for row in table:
        rows.setdefault(row["split"], {}).setdefault(row["image"], {})[row["class"]] = row
    return {split: _scores(images) for split, images in rows.items()}


def _scores(images: dict[str, dict[str, dict[str, str]]]) -> ImageScores:
    classes = list(next(iter(images.values())))

    def column(name: str) -> list[list[str]]:
        return [[of_class[kind][name] for kind in classes] for of_class in images.values()]

    return ImageScores(
        classes,
        list(images),
        np.array([row[0] for row in column("group")], np.int64),
        np.array(column("dice"), np.float64),
        *(np.array(column(name), np.int64) for name in ("true_pixels", "predicted_pixels", "intersection")),
    )
