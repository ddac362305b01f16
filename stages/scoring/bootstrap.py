"""How far figures would move with other images of the same kind: the bootstrap over groups of near-duplicates.

Near-duplicates are drawn together, since one tells little that the other does not; intervals would be too narrow
otherwise. Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
"""

import numpy as np
import numpy.typing as npt

from stages.scoring.per_image import ImageScores

Weights = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

ROUNDS = 2_000
FEWEST = 5  # groups of near-duplicates with pixels of a class, for an interval to mean anything
SEED = 0


def draws(groups: npt.ArrayLike, rounds: int = ROUNDS, seed: int = SEED) -> Weights:
    """Draw as many groups as there are, with replacement, again and again.

    Args:
        groups: shape (images,), one label an image.

    Returns:
        int64 of shape (rounds, images): how often each image counts. Images of a group count alike.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    number = int(group.max()) + 1
    counts = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=rounds)
    return np.asarray(counts[:, group], np.int64)


def figures(scores: ImageScores, weights: Weights | None = None) -> dict[str, Values]:
    """The headline figures of images that count as often as `weights` says.

    Args:
        scores: n images.
        weights: int64 (rounds, n); None counts every image once.

    Returns:
        float64 of shape (rounds,) by name: mean_dice, positive_mean_dice, mean_precision and mean_recall (over all
        pixels at once, then the mean over classes), and positive_dice.CLASS, precision.CLASS and recall.CLASS. NaN
        where undefined in a round; means leave out the classes that are undefined.
    """
    if weights is None:
        weights = np.ones((1, len(scores.images)), np.int64)
    there = scores.true > 0
    positive = _ratio(weights @ (scores.dice * there), weights @ there)  # (rounds, classes)
    precision = _ratio(weights @ scores.intersection, weights @ scores.predicted)
    recall = _ratio(weights @ scores.intersection, weights @ scores.true)
    values = {
        "mean_dice": _ratio(weights @ scores.dice.mean(axis=1), weights.sum(axis=1)),
        "positive_mean_dice": mean_defined(positive),
        "mean_precision": mean_defined(precision),
        "mean_recall": mean_defined(recall),
    }
    for kind, of_class in (("positive_dice", positive), ("precision", precision), ("recall", recall)):
        values |= {f"{kind}.{name}": of_class[:, number] for number, name in enumerate(scores.classes)}
    return values


def interval(values: Values, level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of bootstrap values, rounds without a value left out; None where all are."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def groups(scores: ImageScores, name: str) -> int:
    """How many groups of near-duplicates a figure of `figures` rests on: those that have pixels which it counts."""
    kind, _, of_class = name.partition(".")
    if kind == "mean_dice":
        return len(np.unique(scores.groups))
    pixels = scores.predicted if kind.endswith("precision") else scores.true
    chosen = [scores.classes.index(of_class)] if of_class else list(range(len(scores.classes)))
    return len(np.unique(scores.groups[(pixels[:, chosen] > 0).any(axis=1)]))


def _ratio(numerator: npt.NDArray[np.generic], denominator: npt.NDArray[np.generic]) -> Values:
    shape = np.broadcast(numerator, denominator).shape
    return np.asarray(np.divide(numerator, denominator, out=np.full(shape, np.nan), where=denominator != 0))


def mean_defined(values: Values) -> Values:
    """Mean over the classes of (rounds, classes) that are not NaN; NaN where all are."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=1), defined.sum(axis=1))
