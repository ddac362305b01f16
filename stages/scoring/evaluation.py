"""From the pixel counts of single images to the figures in metrics/evaluation.json."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.dataset.layout import Metric
from stages.dataset.prepared import Sample
from stages.pipeline.arrays import Int64
from stages.pipeline.settings import Postprocess
from stages.scoring import confusion, overlaps
from stages.scoring.dice import all_empty_mean_dice, mean_defined, mean_dice, positive_dice
from stages.scoring.metric import score, score_of_nothing, title

MEAN_DICE = Metric("mean_dice")
ABSENT_PRESENT = ("absent", "present")
MOST_LOST = 0.1  # of the Dice where there is a mask, before post-processing is warned about


@dataclass(frozen=True)
class ScoredImage:
    """One image that was segmented.

    Attributes:
        sample: the image.
        matrix: confusion matrix, int64 (1 + classes, 1 + classes), for pictures of it. All scores come from overlaps.
        overlaps: int64 (3, 1 + classes), see `stages.scoring.overlaps`.
        plain: the same without post-processing.
        allowed: whether the gate of each class is open, ClassId 1 first.
        head: whether the image-level head puts each class in the image; None if no network has such a head, or if it
            is sure of every class.
    """

    sample: Sample
    matrix: Int64
    overlaps: Int64
    plain: Int64
    allowed: list[bool]
    head: list[bool] | None


def total(images: list[ScoredImage]) -> Int64:
    """Confusion matrix over all pixels of all images."""
    return np.asarray(np.sum([image.matrix for image in images], axis=0))


def of_classes(images: list[ScoredImage]) -> tuple[Int64, Int64, Int64]:
    """Pixels in both masks, in the true and in the predicted mask, each int64 (images, classes)."""
    return overlaps.of_classes(np.stack([image.overlaps for image in images]))


def joined_counts(images: list[ScoredImage]) -> tuple[Int64, Int64, Int64]:
    """Pixels in both masks, in the true and in the predicted mask, the classes joined, each int64 (images, 1)."""
    return overlaps.joined(np.stack([image.overlaps for image in images]), _pixels(images))


def _pixels(images: list[ScoredImage]) -> Int64:
    return np.array([image.matrix.sum() for image in images], np.int64)


def headline(images: list[ScoredImage], metric: Metric = MEAN_DICE) -> dict[str, Any]:
    """The figures to choose by, with and without post-processing, and the score of an empty submission to compare.

    Args:
        images: at least one.
        metric: the competition's, for `score` and `all_empty_score`.
    """
    counts = of_classes(images)
    plain = overlaps.of_classes(np.stack([image.plain for image in images]))
    scored, scored_plain = counts, plain
    if metric.joined:
        scored = joined_counts(images)
        scored_plain = overlaps.joined(np.stack([image.plain for image in images]), _pixels(images))
    return {
        "images": len(images),
        "score": score(metric, *scored),
        "all_empty_score": score_of_nothing(metric, scored[1]),
        "mean_dice": mean_dice(*counts),
        "all_empty_mean_dice": all_empty_mean_dice(counts[1]),
        "positive_mean_dice": mean_defined(positive_dice(*counts)),
        "without_postprocessing": {
            "score": score(metric, *scored_plain),
            "mean_dice": mean_dice(*plain),
            "positive_mean_dice": mean_defined(positive_dice(*plain)),
        },
    }


def lost_dice(headline: dict[str, Any]) -> float | None:
    """The share of the Dice where there is a mask that post-processing costs; below 0 if it raises it.

    Args:
        headline: as `headline` returns it.

    Returns:
        None if the Dice without post-processing is 0 or undefined.

        >>> lost_dice({"positive_mean_dice": 0.6, "without_postprocessing": {"positive_mean_dice": 0.75}})
        0.2
    """
    after, before = (part["positive_mean_dice"] for part in (headline, headline["without_postprocessing"]))
    return round((before - after) / before, 9) if before and after is not None else None


def warning(validation: dict[str, Any], options: Postprocess) -> str | None:
    """What to say if post-processing costs more than `MOST_LOST` of the Dice where there is a mask; None if not.

    Args:
        validation: `headline` of the validation folds.
        options: the section `postprocess` of params.yaml, by which they were scored.
    """
    lost = lost_dice(validation)
    if lost is None or lost <= MOST_LOST:
        return None
    after, before = (part["positive_mean_dice"] for part in (validation, validation["without_postprocessing"]))
    crossed = ", cross-fitted" if options.chosen else ""
    return (
        f"post-processing costs {lost:.1%} of the Dice where there is a mask on the validation folds "
        f"({_format(before)} without it, {_format(after)} with it{crossed}): {_remedy(options)}"
    )


def _remedy(options: Postprocess) -> str:
    """What to change where post-processing costs too much: first what is fixed, since no search limits its loss."""
    fixed = [f"postprocess.{name}" for name in options.fixed]
    remedies = [f"change {', '.join(fixed)}, or set {'it' if len(fixed) == 1 else 'them'} to null"] if fixed else []
    if options.one_class:
        remedies.append("set postprocess.one_class to false")
    if options.chosen and options.objective == "competition":
        remedies.append("raise postprocess.min_positive_dice_ratio, or set postprocess.objective to find_defects")
    elif options.chosen:
        remedies.append("lower postprocess.min_precision, or set postprocess.objective to competition")
    return "; or ".join(remedies) or "set postprocess.enabled to false"


def presence(images: list[ScoredImage], classes: list[str]) -> dict[str, dict[str, Int64]]:
    """Confusion matrices over images: is a class in the image or not?

    Returns:
        By decision ("head": probability 1/2 of the image-level head, if there is one; "gate": whether the gate is open;
        "mask": whether a mask is left) and by class: int64 (2, 2), true by predicted, absent first.
    """
    _, there, predicted = of_classes(images)
    true = there > 0
    decisions = {"gate": np.array([image.allowed for image in images]), "mask": predicted > 0}
    if any(image.head for image in images):
        decisions = {"head": np.array([image.head or [True] * len(classes) for image in images])} | decisions
    return {
        decision: {
            name: np.bincount(2 * true[:, k] + found[:, k], minlength=4).reshape(2, 2) for k, name in enumerate(classes)
        }
        for decision, found in decisions.items()
    }


def figures(images: list[ScoredImage], classes: list[str], metric: Metric = MEAN_DICE) -> dict[str, Any]:
    """The part of metrics/evaluation.json about the held-out fold."""
    names = ["background", *classes]
    matrix = total(images)
    summed = np.asarray(np.sum([image.overlaps for image in images], axis=0))
    per_class = overlaps.figures(summed)
    positive = positive_dice(*of_classes(images))
    predicted = summed[2]
    return headline(images, metric) | {
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
        intersection, true, predicted = overlaps.of_classes(image.overlaps)
        return float(2 * intersection.sum() / max(true.sum() + predicted.sum(), 1))

    order = sorted((image for image in images if image.overlaps[1, 1:].any()), key=dice, reverse=True)
    order = order or images  # a fold without any defect has pictures too
    middle = max(0, (len(order) - count) // 2)
    return {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}


def summary(metrics: dict[str, Any], classes: list[str], metric: Metric = MEAN_DICE) -> list[str]:
    """Lines about metrics/evaluation.json, for the terminal. The score has lines of its own unless it is mean Dice."""
    validation = metrics["validation"]
    lines = [f"held-out fold, {metrics['images']} images (validation: {validation['images']})"]
    if metric != MEAN_DICE:
        for name, called in (("score", title(metric)), ("all_empty_score", "score of predicting nothing")):
            lines.append(f"{called} {_format(metrics[name])} (validation {_format(validation[name])})")
    for name in ("mean_dice", "all_empty_mean_dice", "positive_mean_dice"):
        lines.append(f"{name} {_format(metrics[name])} (validation {_format(validation[name])})")
    for name in ("mean_dice", "positive_mean_dice") if metric == MEAN_DICE else metrics["without_postprocessing"]:
        value = metrics["without_postprocessing"][name]
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
