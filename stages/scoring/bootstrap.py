"""How far figures would move with other images of the same kind: the bootstrap over groups of near-duplicates.

Near-duplicates are drawn together, because a second one adds little information; intervals would be too narrow
otherwise. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).

`scipy.stats.bootstrap` draws single observations and knows no groups. It would also compute every figure anew from
drawn images, while here the counts of all rounds are one matrix, which gives all figures by a few products.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from stages.pipeline.arrays import Float64, Int64
from stages.scoring import metric, per_image
from stages.scoring.per_image import ImageScores

ROUNDS = 2_000
FEWEST = 5  # groups of near-duplicates with pixels of a class that an interval needs to mean anything
SEED = 0


def draws(groups: npt.ArrayLike, rounds: int = ROUNDS, seed: int = SEED) -> Int64:
    """In each round draw as many groups as there are, with replacement.

    Args:
        groups: shape (images,), the group of each image.

    Returns:
        int64 of shape (rounds, images): how often each image counts. Images of a group have the same count.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    number = int(group.max()) + 1
    counts = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=rounds)
    return np.asarray(counts[:, group], np.int64)


def figures(scores: ImageScores, weights: Int64 | None = None) -> dict[str, Float64]:
    """The headline figures of images that count as often as `weights` says.

    Args:
        scores: n images.
        weights: int64 (rounds, n); None counts every image once.

    Returns:
        float64 of shape (rounds,) by name: mean_dice, positive_mean_dice, mean_precision and mean_recall (over all
        pixels at once, then the mean over classes), and positive_dice.CLASS, precision.CLASS and recall.CLASS. Score is
        among them if the competition's metric is another one than mean_dice. NaN in rounds where a figure is undefined.
        Means leave undefined classes out.
    """
    if weights is None:
        weights = np.ones((1, len(scores.images)), np.int64)
    has_mask = scores.true > 0
    positive = _ratio(weights @ (scores.dice * has_mask), weights @ has_mask)  # (rounds, classes)
    precision = _ratio(weights @ scores.intersection, weights @ scores.predicted)
    recall = _ratio(weights @ scores.intersection, weights @ scores.true)
    values = {
        "mean_dice": _ratio(weights @ scores.dice.mean(axis=1), weights.sum(axis=1)),
        "positive_mean_dice": mean_defined(positive),
        "mean_precision": mean_defined(precision),
        "mean_recall": mean_defined(recall),
    }
    if scores.metric != per_image.USUAL:
        values = {"score": _score(scores, weights)} | values
    for kind, of_class in (("positive_dice", positive), ("precision", precision), ("recall", recall)):
        values |= {f"{kind}.{name}": of_class[:, index] for index, name in enumerate(scores.classes)}
    return values


def _score(scores: ImageScores, weights: Int64) -> Float64:
    """The competition's score of images that count as often as `weights` says, float64 (rounds,)."""
    true, predicted, intersection = _scored_counts(scores)
    if not metric.separable(scores.metric):
        return _ratio(2 * (weights @ intersection).sum(axis=1), (weights @ (true + predicted)).sum(axis=1))
    of_images = metric.pair_scores(scores.metric, intersection, true, predicted).mean(axis=1)
    return _ratio(weights @ of_images, weights.sum(axis=1))


def _scored_counts(scores: ImageScores) -> tuple[Int64, Int64, Int64]:
    """Pixels in the true masks, the predicted masks and both that the score counts, (images, classes or 1)."""
    if scores.joined is None:
        return scores.true, scores.predicted, scores.intersection
    return scores.joined[:, :1], scores.joined[:, 1:2], scores.joined[:, 2:]


def interval(values: Float64, level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of bootstrap values without the undefined ones; None if all are undefined."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def groups(scores: ImageScores, name: str) -> int:
    """How many groups of near-duplicates have pixels that count in a figure of `figures`."""
    kind, _, of_class = name.partition(".")
    if kind == "mean_dice" or (kind == "score" and metric.separable(scores.metric)):
        return len(np.unique(scores.groups))
    if kind == "score":
        true, predicted, _ = _scored_counts(scores)
        return len(np.unique(scores.groups[(true + predicted > 0).any(axis=1)]))
    pixels = scores.predicted if kind.endswith("precision") else scores.true
    chosen = [scores.classes.index(of_class)] if of_class else list(range(len(scores.classes)))
    return len(np.unique(scores.groups[(pixels[:, chosen] > 0).any(axis=1)]))


def headline(scores: ImageScores) -> list[dict[str, Any]]:
    """Rows of the report's headline table.

    Args:
        scores: the images of a split. The first row is their score by the competition's metric.

    Returns:
        name (as in `figures`), title, of_class, value (None if undefined), interval (95%, None if undefined) and few
        (whether too few groups count for an interval).
    """
    drawn, once = figures(scores, draws(scores.groups)), figures(scores)
    titles = {"mean_dice": "Mean Dice, the competition's score"}
    if scores.metric != per_image.USUAL:
        titles = {"score": f"The competition's {metric.title(scores.metric)}", "mean_dice": "Mean Dice"}
    titles |= {"positive_mean_dice": "Dice where there is a mask"}
    titles |= {f"positive_dice.{name}": name for name in scores.classes}
    return [
        {
            "name": name,
            "title": title,
            "of_class": "." in name,
            "value": None if np.isnan(once[name][0]) else float(once[name][0]),
            "interval": interval(drawn[name]),
            "few": groups(scores, name) < FEWEST,
        }
        for name, title in titles.items()
    ]


def mean_defined(values: Float64) -> Float64:
    """Mean over the classes of (rounds, classes) that are not NaN; NaN if all are."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1))


def _ratio(numerator: npt.NDArray[np.generic], denominator: npt.NDArray[np.generic]) -> Float64:
    shape = np.broadcast(numerator, denominator).shape
    return np.asarray(np.divide(numerator, denominator, out=np.full(shape, np.nan), where=denominator != 0))
