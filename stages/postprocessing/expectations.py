"""How good a predicted mask probably is: an expected Dice with an interval, learned from the validation images.

A ridge regression turns the `evidence` of a pair of image and class into one number. The validation pairs with the
nearest numbers, whose Dice is known, give the expectation (their mean) and the interval (their quantiles, with the
finite-sample ranks of conformal prediction: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005).
So an interval is wide where the network has been right and wrong on such masks, and narrow where it never was wrong.
Pairs with a predicted mask and pairs without are kept apart: of the latter, the expectation is the probability that
there is nothing, since Dice is then 1 or 0.

Only NumPy is needed to use what was fitted; scikit-learn fits it.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from stages.pipeline.arrays import Bool, Float64, Int64
from stages.postprocessing import evidence

LEVEL = 0.9  # of the intervals
NEIGHBOURS = 19  # the fewest that give 90%: between the smallest and the largest of them lies a 20th in 18 of 20 cases
SHARE = 0.1  # of all pairs, if that is more
FEWEST = NEIGHBOURS  # pairs, below which nothing is expected of such masks
PARTS = 5  # of the cross-fitting
DIGITS = 9  # of what is stored


class Expected(NamedTuple):
    """Of one pair of image and class: the expected Dice and its interval, each 0 … 1."""

    dice: float
    low: float
    high: float


@dataclass(frozen=True)
class Neighbours:
    """Validation pairs of one kind, with or without a predicted mask.

    Attributes:
        centre, scale: float64 (n,), which standardise the evidence, the classes' columns included.
        weights: float64 (n,), and `offset`: of the ridge regression.
        scores: float64 (pairs,), ascending: the regression's answer for each pair by the fit without it.
        dice: float64 (pairs,), in the same order.
    """

    centre: Float64
    scale: Float64
    weights: Float64
    offset: float
    scores: Float64
    dice: Float64

    def expected(self, columns: Float64) -> Expected:
        """From the columns of one pair (see `_columns`)."""
        return self._around(float((columns - self.centre) / self.scale @ self.weights) + self.offset)

    def _around(self, score: float) -> Expected:
        count = min(len(self.scores), max(NEIGHBOURS, round(SHARE * len(self.scores))))
        first = _nearest(self.scores, score, count)
        dice = np.sort(self.dice[first : first + count])
        outside = (1 - LEVEL) / 2 * (count + 1)
        low, high = max(0, math.floor(outside) - 1), min(count, math.ceil(count + 1 - outside)) - 1
        return Expected(float(dice.mean()), float(dice[low]), float(dice[high]))


@dataclass(frozen=True)
class Model:
    """What was learned from the validation images.

    Attributes:
        classes: names, ClassId 1 first.
        marked, empty: for pairs with and without a predicted mask; None: there were fewer than `FEWEST` of them.
    """

    classes: list[str]
    marked: Neighbours | None
    empty: Neighbours | None

    def expected(self, described: Float64) -> list[Expected | None]:
        """What to expect of each class of an image.

        Args:
            described: float64 (classes, len(evidence.NAMES)), as `evidence.of_image` gives it.

        Returns:
            One per class; None where too little was seen to say.
        """
        pairs = zip(_columns(described[np.newaxis]), has_mask(described), strict=True)
        kinds = [(columns, self.marked if marked else self.empty) for columns, marked in pairs]
        return [kind.expected(columns) if kind is not None else None for columns, kind in kinds]

    def to_json(self) -> dict[str, Any]:
        """Plain types for `json`; `from_json` reads them back."""
        return {"classes": self.classes, "marked": _to_json(self.marked), "empty": _to_json(self.empty)}

    @classmethod
    def from_json(cls, content: Any) -> "Model":
        """Read what `to_json` returned.

        Raises:
            ValueError, KeyError, TypeError: the content is something else.
        """
        if not isinstance(content["classes"], list) or not all(isinstance(name, str) for name in content["classes"]):
            raise ValueError("classes without names")
        columns = len(evidence.NAMES) + len(content["classes"])
        return cls(content["classes"], *(_from_json(content[name], columns) for name in ("marked", "empty")))


def has_mask(described: Float64) -> Bool:
    """Whether there is a predicted mask, bool (…,), from evidence of shape (…, len(evidence.NAMES))."""
    return np.asarray(described[..., evidence.NAMES.index("area")] > 0)


def fit(classes: list[str], described: Float64, dice: Float64, groups: Int64) -> Model:
    """Learn from validation images whose masks were made without them.

    Args:
        classes: names.
        described: float64 (images, classes, len(evidence.NAMES)).
        dice: float64 (images, classes), of the predicted masks.
        groups: int64 (images,), the same number for near-duplicates, which are never used for one another.
    """
    columns, marked = _columns(described), has_mask(described).reshape(-1)
    each, of_pairs = dice.reshape(-1), np.repeat(groups, len(classes))
    kinds = (_fitted(columns[kind], each[kind], of_pairs[kind]) for kind in (marked, ~marked))
    return Model(classes, *kinds)


def _fitted(columns: Float64, dice: Float64, groups: Int64) -> Neighbours | None:
    from sklearn.linear_model import Ridge  # takes a second to import; using a model does not need it
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(dice) < FEWEST or len(np.unique(groups)) < PARTS:
        return None
    regression = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    scores = cross_val_predict(regression, columns, dice, groups=groups, cv=GroupKFold(PARTS))
    scaler, ridge = (step for _, step in regression.fit(columns, dice).steps)
    order = np.lexsort((dice, scores))
    stored = (scaler.mean_, scaler.scale_, ridge.coef_, scores[order], dice[order])
    centre, scale, weights, scores, dice = map(_rounded, stored)
    return Neighbours(centre, scale, weights, round(float(ridge.intercept_), DIGITS), scores, dice)


def _rounded(numbers: Float64) -> Float64:
    """As they are stored."""
    return np.asarray(np.round(numbers, DIGITS), np.float64)


def _columns(described: Float64) -> Float64:
    """What the regression sees of each pair: evidence, and which class it is, float64 (images * classes, n)."""
    images, classes, names = described.shape
    which = np.broadcast_to(np.eye(classes), (images, classes, classes))
    return np.concatenate([described, which], axis=2).reshape(-1, names + classes)


def _nearest(ascending: Float64, value: float, count: int) -> int:
    """Where the `count` nearest of the ascending numbers start."""
    first, last = 0, len(ascending) - count
    while first < last:  # the window moves up while the number it gains is nearer than the one it loses
        middle = (first + last) // 2
        if value - ascending[middle] > ascending[middle + count] - value:
            first = middle + 1
        else:
            last = middle
    return first


def _to_json(of: Neighbours | None) -> dict[str, Any] | None:
    if of is None:
        return None
    lists = {name: getattr(of, name).tolist() for name in ("centre", "scale", "weights", "scores", "dice")}
    return lists | {"offset": of.offset}


def _from_json(content: Any, columns: int) -> Neighbours | None:
    if content is None:
        return None
    arrays = {name: np.array(content[name], np.float64) for name in ("centre", "scale", "weights", "scores", "dice")}
    shapes = [arrays[name].shape for name in ("centre", "scale", "weights")]
    pairs = arrays["scores"].shape
    if shapes != [(columns,)] * 3 or len(pairs) != 1 or pairs[0] < NEIGHBOURS or arrays["dice"].shape != pairs:
        raise ValueError("numbers that do not belong together")
    if not all(np.isfinite(array).all() for array in (*arrays.values(), content["offset"])):
        raise ValueError("numbers that are not finite")
    return Neighbours(offset=float(content["offset"]), **arrays)
