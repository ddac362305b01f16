"""Scores of single images: metrics/images.csv, which `evaluate` writes, and from which intervals are computed."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.dataset.layout import Metric
from stages.pipeline import outputs
from stages.pipeline.arrays import Float64, Int64
from stages.pipeline.cli import UserError

COLUMNS = {"split", "image", "group", "class", "dice", "true_pixels", "predicted_pixels", "intersection"}
JOINED = ("joined_true_pixels", "joined_predicted_pixels", "joined_intersection")  # only where classes are joined
USUAL = Metric()


@dataclass(frozen=True)
class ImageScores:
    """The images of one split.

    Attributes:
        classes: names, ClassId 1 first.
        images: file names, n of them.
        groups: int64 (n,), the same number for near-duplicates.
        dice: float64 (n, classes), 1 if neither the true nor the predicted mask has a pixel.
        true, predicted, intersection: int64 (n, classes), pixels.
        metric: by which the competition scores.
        joined: int64 (n, 3), pixels in the true mask, the predicted mask and both, the masks of all classes joined;
            only if `metric.joined`.
    """

    classes: list[str]
    images: list[str]
    groups: Int64
    dice: Float64
    true: Int64
    predicted: Int64
    intersection: Int64
    metric: Metric = USUAL
    joined: Int64 | None = None


def read(lines: Iterable[str], name: str, metric: Metric = USUAL) -> dict[str, ImageScores]:
    """Read metrics/images.csv.

    Args:
        lines: the lines of the file.
        name: of the file, for messages.
        metric: by which the competition scores.

    Returns:
        The scores of each split: "held_out" and "validation".

    Raises:
        UserError: it is not such a file.
    """
    texts = dict.fromkeys(("split", "image", "class", "dice"), str)  # Python reads Dice exactly; pandas may round it
    try:
        text = io.StringIO("\n".join(line.rstrip("\r\n") for line in lines))
        table = pd.read_csv(text, dtype=texts, keep_default_na=False)
        missing = sorted((COLUMNS | set(JOINED if metric.joined else ())) - set(table.columns))
        if missing:
            raise UserError(f"{name}: expected the columns of metrics/images.csv, found no {', '.join(missing)}")
        table["image"], table["class"] = table["image"].map(outputs.unescaped), table["class"].map(outputs.unescaped)
        return {str(split): _scores(rows, metric) for split, rows in table.groupby("split", sort=False)}
    except (ValueError, KeyError, OverflowError) as error:  # OverflowError: a number beyond 64 bits
        raise UserError(f"{name}: expected what evaluate writes as metrics/images.csv, found: {error}") from None


def _scores(rows: pd.DataFrame, metric: Metric) -> ImageScores:
    classes, images = rows["class"].unique().tolist(), rows["image"].unique().tolist()
    pairs = pd.MultiIndex.from_product([images, classes])
    if len(rows) != len(pairs):
        raise ValueError(f"{len(rows)} rows for {len(images)} images and {len(classes)} classes")
    by_pair = rows.set_index(["image", "class"]).loc[pairs]
    shape = len(images), len(classes)
    dice = np.array(by_pair["dice"].map(float), np.float64).reshape(shape)
    columns = ("group", "true_pixels", "predicted_pixels", "intersection")
    group, true, predicted, intersection = (np.array(by_pair[name], np.int64).reshape(shape) for name in columns)
    joined = by_pair[list(JOINED)].to_numpy(np.int64)[:: len(classes)] if metric.joined else None
    return ImageScores(classes, images, group[:, 0], dice, true, predicted, intersection, metric, joined)
