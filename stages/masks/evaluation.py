"""From the confusion matrices of single images to the figures that metrics/evaluation.json holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.competition import score
from stages.competition.prepared import Entry
from stages.masks import confusion


@dataclass(frozen=True)
class Scored:
    """One image that was segmented.

    Attributes:
        entry: its place in the prepared data.
        matrix: confusion matrix, int64 (1 + classes, 1 + classes).
        masks: run lengths of the predicted mask of each class, ClassId 1 first; "" where there is none.
    """

    entry: Entry
    matrix: confusion.Matrix
    masks: list[str]


def total(images: list[Scored]) -> confusion.Matrix:
    """Confusion matrix of all pixels of all images."""
    return np.asarray(np.sum([image.matrix for image in images], axis=0))


def headline(images: list[Scored]) -> dict[str, Any]:
    """The two figures to choose by, and the score of predicting nothing to hold the first against."""
    overlaps = confusion.overlaps(np.stack([image.matrix for image in images]))
    positive = score.positive_dice(*overlaps)
    return {
        "images": len(images),
        "mean_dice": score.mean_dice(*overlaps),
        "all_empty_mean_dice": score.all_empty_mean_dice(overlaps[1]),
        "positive_mean_dice": score.mean_defined(positive),
    }


def figures(images: list[Scored], classes: list[str]) -> dict[str, Any]:
    """Everything that metrics/evaluation.json says of the held-out fold."""
    names = ["background", *classes]
    matrix = total(images)
    per_class = confusion.figures(matrix)
    positive = score.positive_dice(*confusion.overlaps(np.stack([image.matrix for image in images])))
    predicted = matrix.sum(axis=0)
    shares = confusion.shares(matrix)
    return headline(images) | {
        "positive_dice": dict(zip(classes, positive, strict=True)),
        "pixel_accuracy": confusion.pixel_accuracy(matrix),
        "mean_iou": score.mean_defined([figures["iou"] for figures in per_class]),
        "classes": dict(zip(names, per_class, strict=True)),
        "collapsed": {name: int(predicted[number] == 0) for number, name in enumerate(classes, start=1)},
        "confusion": {
            true: dict(zip(names, row, strict=True)) for true, row in zip(names, shares.tolist(), strict=True)
        },
    }


def ranked(images: list[Scored], shown: int) -> dict[str, list[Scored]]:
    """The best, median and worst images that hold a defect, by Dice over the classes that are there or predicted."""

    def dice(image: Scored) -> float:
        intersection, true, predicted = confusion.overlaps(image.matrix)
        return float(2 * intersection.sum() / max(true.sum() + predicted.sum(), 1))

    order = sorted((image for image in images if sum(image.entry.pixels)), key=dice, reverse=True)
    order = order or images  # a fold without any defect still has pictures
    middle = max(0, (len(order) - shown) // 2)
    return {"best": order[:shown], "median": order[middle : middle + shown], "worst": order[-shown:]}
