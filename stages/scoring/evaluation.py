"""From the confusion matrices of single images to the figures that metrics/evaluation.json holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.dataset.prepared import Sample
from stages.scoring import confusion
from stages.scoring import dice as score


@dataclass(frozen=True)
class Scored:
    """One image that was segmented.

    Attributes:
        sample: its place in the prepared data.
        matrix: confusion matrix, int64 (1 + classes, 1 + classes).
        plain: the same without post-processing.
        masks: run lengths of the predicted mask of each class, ClassId 1 first; "" where there is none.
        gates: whether each class was allowed in the image.
        head: whether the image-level head puts each class in the image; None where it rules none out, or there is none.
    """

    sample: Sample
    matrix: confusion.Matrix
    plain: confusion.Matrix
    masks: list[str]
    gates: list[bool]
    head: list[bool] | None


ABSENT_PRESENT = ("absent", "present")


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


def without_postprocessing(images: list[Scored]) -> dict[str, Any]:
    """The two figures to choose by, had every pixel simply counted from probability 1/2."""
    overlaps = confusion.overlaps(np.stack([image.plain for image in images]))
    return {
        "mean_dice": score.mean_dice(*overlaps),
        "positive_mean_dice": score.mean_defined(score.positive_dice(*overlaps)),
    }


def presence(images: list[Scored], classes: list[str]) -> dict[str, dict[str, confusion.Matrix]]:
    """Confusion matrices over images: is a class in it or not?

    Returns:
        By who decides ("head": the image-level head from 1/2, where there is one; "gate": what let a class into the
        image; "mask": whether a mask of it was left) and by class: int64 (2, 2), true by predicted, absent first.
    """
    true = np.array([[pixels > 0 for pixels in image.sample.pixels] for image in images])
    headed = any(image.head for image in images)
    head = np.array([image.head or [True] * len(classes) for image in images])
    decided = {
        **({"head": head} if headed else {}),
        "gate": np.array([image.gates for image in images]),
        "mask": np.array([[bool(mask) for mask in image.masks] for image in images]),
    }
    return {
        who: {
            name: np.bincount(2 * true[:, k] + found[:, k], minlength=4).reshape(2, 2) for k, name in enumerate(classes)
        }
        for who, found in decided.items()
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
        "without_postprocessing": without_postprocessing(images),
        "presence": {
            who: {
                name: {
                    true: dict(zip(ABSENT_PRESENT, row, strict=True))
                    for true, row in zip(ABSENT_PRESENT, confusion.shares(matrix).tolist(), strict=True)
                }
                for name, matrix in of_class.items()
            }
            for who, of_class in presence(images, classes).items()
        },
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

    order = sorted((image for image in images if sum(image.sample.pixels)), key=dice, reverse=True)
    order = order or images  # a fold without any defect still has pictures
    middle = max(0, (len(order) - shown) // 2)
    return {"best": order[:shown], "median": order[middle : middle + shown], "worst": order[-shown:]}
