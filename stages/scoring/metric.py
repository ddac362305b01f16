"""The competition's score, by name, from pixel counts.

mean_dice: the mean of Dice over all pairs of image and class; a pair whose masks are both empty counts `empty_pair`.

    Dice = 2·|X ∩ Y| / (|X| + |Y|)

https://www.kaggle.com/c/severstal-steel-defect-detection/overview/evaluation (empty pair: 1), and the Dice part of
https://www.kaggle.com/c/uw-madison-gi-tract-image-segmentation/overview/evaluation (empty pair: 0).

global_dice: the same formula once, over the pixels of all images and classes together.
https://www.kaggle.com/c/google-research-identify-contrails-reduce-global-warming/overview/evaluation

iou_thresholds: of each image the share of the thresholds 0.5, 0.55, … 0.95 that its IoU is greater than; the mean over
the images. Both masks empty: `empty_pair`. One of them empty: 0.

    IoU = |X ∩ Y| / |X ∪ Y|

https://www.kaggle.com/c/tgs-salt-identification-challenge/overview/evaluation
"""

import numpy as np

from stages.dataset.layout import Metric
from stages.pipeline.arrays import Float64, Int64
from stages.scoring.dice import dice

PERCENT = range(50, 100, 5)  # thresholds of IoU


def score(metric: Metric, intersection: Int64, true: Int64, predicted: Int64) -> float | None:
    """The score of a set of images.

    Args:
        metric: which score.
        intersection, true, predicted: pixels in both masks, in the true mask, in the predicted mask: int64 (images,
            classes).

    Returns:
        0 … 1. None where it is undefined: there are no pairs, or global_dice and no mask has a pixel.

        >>> counts = np.array([[2], [0]]), np.array([[4], [0]]), np.array([[2], [2]])
        >>> score(Metric("mean_dice"), *counts), score(Metric("global_dice"), *counts)
        (0.3333333333333333, 0.5)
    """
    if metric.name == "global_dice":
        total = int(true.sum()) + int(predicted.sum())
        return 2 * int(intersection.sum()) / total if total else None
    values = pair_scores(metric, intersection, true, predicted)
    return float(values.mean()) if values.size else None


def score_of_nothing(metric: Metric, true: Int64) -> float | None:
    """The score of empty predictions for all images; see `score`."""
    nothing = np.zeros_like(true)
    return score(metric, nothing, true, nothing)


def separable(metric: Metric) -> bool:
    """Whether the score is a mean over pairs of image and class."""
    return metric.name != "global_dice"


def pair_scores(metric: Metric, intersection: Int64, true: Int64, predicted: Int64) -> Float64:
    """The score of each pair of image and class; `score` is their mean.

    Args:
        metric: which score; a separable one.
        intersection, true, predicted: as for `score`, of any shapes that broadcast.

    Returns:
        float64 of their common shape, 0 … 1.

        >>> pair_scores(Metric("iou_thresholds"), np.array([1, 3, 0]), np.array([2, 3, 0]), np.array([1, 4, 0]))
        array([0. , 0.5, 1. ])
    """
    if not separable(metric):
        raise ValueError(f"expected a score that is a mean over pairs, found {metric.name}")
    of_pair = _precision if metric.name == "iou_thresholds" else dice
    return np.where(true + predicted == 0, metric.empty_pair, of_pair(intersection, true, predicted))


def title(metric: Metric) -> str:
    """How the score is called in a list of figures.

    >>> title(Metric("global_dice")), title(Metric("mean_dice", 0))
    ('score (global_dice)', 'score (mean_dice, empty 0)')
    """
    empty = "" if metric.empty_pair == 1 else f", empty {metric.empty_pair:g}"
    joined = ", classes joined" if metric.joined else ""
    return f"score ({metric.name}{empty}{joined})"


def _precision(intersection: Int64, true: Int64, predicted: Int64) -> Float64:
    """Share of the thresholds that IoU is greater than.

    Whole numbers decide, because 0.55 and its like have no exact floating-point value: 11/20 is not greater than 0.55.
    """
    union = true + predicted - intersection
    exceeded = np.zeros(union.shape, np.int64)
    for percent in PERCENT:
        exceeded += 100 * intersection > percent * union
    return np.asarray(exceeded / len(PERCENT))
