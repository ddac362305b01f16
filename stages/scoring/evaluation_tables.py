"""The tables that evaluate writes for `dvc plots` and the report."""

from typing import Any

import numpy as np
import pandas as pd

from stages.dataset.layout import Metric
from stages.pipeline.arrays import Int64
from stages.scoring import confusion, evaluation
from stages.scoring.dice import dice
from stages.scoring.evaluation import ABSENT_PRESENT, ScoredImage, of_classes, presence
from stages.scoring.per_image import JOINED, USUAL

FIGURES = {"precision": "precision", "recall": "recall", "iou": "IoU", "dice": "Dice"}


def confusion_table(matrix: Int64, names: list[str]) -> pd.DataFrame:
    """Pixels, and their share of the true class, by true and predicted class."""
    return _matrix_table(matrix, names, "pixels")


def image_table(images: dict[str, list[ScoredImage]], classes: list[str], metric: Metric = USUAL) -> pd.DataFrame:
    """Dice and pixels of each image and class, by split: what `per_image.read` reads.

    Where the metric joins the classes, every row also has the pixels of the image's joined masks.
    """
    parts = [_split_table(split, scored, classes) for split, scored in images.items()]
    if metric.joined:
        for part, scored in zip(parts, images.values(), strict=True):
            intersection, true, predicted = evaluation.joined_counts(scored)
            for name, counts in zip(JOINED, (true, predicted, intersection), strict=True):
                part[name] = np.repeat(counts[:, 0], len(classes))
    return pd.concat(parts)


def presence_table(images: list[ScoredImage], classes: list[str]) -> pd.DataFrame:
    """Images by decision, class, truth and outcome, as in `evaluation.presence`."""
    parts = []
    for decision, of_class in presence(images, classes).items():
        for name, matrix in of_class.items():
            part = _matrix_table(matrix, list(ABSENT_PRESENT), "images")
            part.insert(0, "decided_by", decision)
            part.insert(1, "class", name)
            parts.append(part)
    return pd.concat(parts)


def class_table(metrics: dict[str, Any], classes: list[str]) -> pd.DataFrame:
    """Figures of each class that are defined, one per row.

    Args:
        metrics: as in metrics/evaluation.json.
        classes: names, ClassId 1 first.
    """
    of_class = {name: metrics["classes"][name] | {"dice": metrics["positive_dice"][name]} for name in classes}
    rows = [(name, title, of_class[name][figure]) for name in classes for figure, title in FIGURES.items()]
    return pd.DataFrame(rows, columns=["class", "figure", "value"]).dropna()


def _split_table(split: str, images: list[ScoredImage], classes: list[str]) -> pd.DataFrame:
    intersection, true, predicted = (pixels.reshape(-1) for pixels in of_classes(images))  # (images · classes,)
    return pd.DataFrame(
        {
            "split": split,
            "image": [image.sample.image for image in images for _ in classes],
            "group": [image.sample.group for image in images for _ in classes],
            "class": classes * len(images),
            "dice": dice(intersection, true, predicted),
            "true_pixels": true,
            "predicted_pixels": predicted,
            "intersection": intersection,
        }
    )


def _matrix_table(matrix: Int64, names: list[str], unit: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "actual": [name for name in names for _ in names],
            "predicted": names * len(names),
            unit: matrix.reshape(-1),
            "share": confusion.shares(matrix).reshape(-1),
        }
    )
