"""From the confusion matrices of single images to the figures in metrics/evaluation.json."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.dataset.prepared import Sample
from stages.pipeline.arrays import Int64
from stages.scoring import confusion
from stages.scoring.dice import all_empty_mean_dice, mean_defined, mean_dice, positive_dice

ABSENT_PRESENT = ("absent", "present")


@dataclass(frozen=True)
class ScoredImage:
    """One image that was segmented.

    Attributes:
        sample: the image.
        matrix: confusion matrix, int64 (1 + classes, 1 + classes).
        plain: the same without post-processing.
        allowed: whether the gate of each class is open, ClassId 1 first.
        head: whether the image-level head puts each class in the image; None if no network has such a head, or if it
            is sure of every class.
    """

    sample: Sample
    matrix: Int64
    plain: Int64
    allowed: list[bool]
    head: list[bool] | None


def total(images: list[ScoredImage]) -> Int64:
    """Confusion matrix over all pixels of all images."""
    return np.asarray(np.sum([image.matrix for image in images], axis=0))


def headline(images: list[ScoredImage]) -> dict[str, Any]:
    """The figures to choose by, with and without post-processing, and the score of an empty submission to compare."""
    overlaps = confusion.overlaps(np.stack([image.matrix for image in images]))
    plain = confusion.overlaps(np.stack([image.plain for image in images]))
    return {
        "images": len(images),
        "mean_dice": mean_dice(*overlaps),
        "all_empty_mean_dice": all_empty_mean_dice(overlaps[1]),
        "positive_mean_dice": mean_defined(positive_dice(*overlaps)),
        "without_postprocessing": {
            "mean_dice": mean_dice(*plain),
            "positive_mean_dice": mean_defined(positive_dice(*plain)),
        },
    }


def presence(images: list[ScoredImage], classes: list[str]) -> dict[str, dict[str, Int64]]:
    """Confusion matrices over images: is a class in the image or not?

    Returns:
        By decision ("head": probability 1/2 of the image-level head, if there is one; "gate": whether the gate is open;
        "mask": whether a mask is left) and by class: int64 (2, 2), true by predicted, absent first.
    """
    true = np.array([[pixels > 0 for pixels in image.sample.pixels] for image in images])
    decisions = {
        "gate": np.array([image.allowed for image in images]),
        "mask": confusion.overlaps(np.stack([image.matrix for image in images]))[2] > 0,
    }
    if any(image.head for image in images):
        decisions = {"head": np.array([image.head or [True] * len(classes) for image in images])} | decisions
    return {
        decision: {
            name: np.bincount(2 * true[:, k] + found[:, k], minlength=4).reshape(2, 2) for k, name in enumerate(classes)
        }
        for decision, found in decisions.items()
    }


def figures(images: list[ScoredImage], classes: list[str]) -> dict[str, Any]:
    """The part of metrics/evaluation.json about the held-out fold."""
    names = ["background", *classes]
    matrix = total(images)
    per_class = confusion.figures(matrix)
    positive = positive_dice(*confusion.overlaps(np.stack([image.matrix for image in images])))
    predicted = matrix.sum(axis=0)
    return headline(images) | {
        "positive_dice": dict(zip(classes, positive, strict=True)),
        "pixel_accuracy": confusion.pixel_accuracy(matrix),
        "mean_iou": mean_defined([figures["iou"] for figures in per_class]),
        "classes": dict(zip(names, per_class, strict=True)),
        "presence": {
            decision: {name: _nested(matrix, ABSENT_PRESENT) for name, matrix in of_class.items()}
            for decision, of_class in presence(images, classes).items()
        },
        "collapsed": {name: int(predicted[class_id] == 0) for class_id, name in enumerate(classes, start=1)},
        "confusion": _nested(matrix, names),
    }


def ranked(images: list[ScoredImage], count: int) -> dict[str, list[ScoredImage]]:
    """The best, median and worst images with a defect, by the Dice of all classes' pixels together."""

    def dice(image: ScoredImage) -> float:
        intersection, true, predicted = confusion.overlaps(image.matrix)
        return float(2 * intersection.sum() / max(true.sum() + predicted.sum(), 1))

    order = sorted((image for image in images if sum(image.sample.pixels)), key=dice, reverse=True)
    order = order or images  # a fold without any defect has pictures too
    middle = max(0, (len(order) - count) // 2)
    return {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}


def summary(metrics: dict[str, Any], classes: list[str]) -> list[str]:
    """Lines about metrics/evaluation.json, for the terminal."""
    validation = metrics["validation"]
    lines = [f"held-out fold, {metrics['images']} images (validation: {validation['images']})"]
    for name in ("mean_dice", "all_empty_mean_dice", "positive_mean_dice"):
        lines.append(f"{name} {_format(metrics[name])} (validation {_format(validation[name])})")
    for name, value in metrics["without_postprocessing"].items():
        other = _format(validation["without_postprocessing"][name])
        lines.append(f"without post-processing, {name} {_format(value)} (validation {other})")
    for name in classes:
        details = ", ".join(f"{key} {_format(value)}" for key, value in metrics["classes"][name].items())
        lines.append(f"{name}: positive Dice {_format(metrics['positive_dice'][name])}, {details}")
        if metrics["collapsed"][name]:
            lines.append(f"WARNING: {name} is never predicted: the network has collapsed for this class")
    return lines


def _nested(matrix: Int64, names: tuple[str, ...] | list[str]) -> dict[str, dict[str, float]]:
    """Shares of a matrix's rows, by true and predicted name."""
    rows = (dict(zip(names, row, strict=True)) for row in confusion.shares(matrix).tolist())
    return dict(zip(names, rows, strict=True))


def _format(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
