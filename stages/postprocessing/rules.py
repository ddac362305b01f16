"""From probabilities to the one label map that confusion, Dice and submission all come from.

Probabilities are whole numbers, uint8, 255 for certainty, of the foreground classes alone. Four things decide: a class
whose gate is closed is nowhere in the image; a pixel gets the most probable of the classes whose threshold it reaches;
small components vanish; and a class of which too little remains vanishes from the image.

Runs in a Kaggle notebook too: NumPy and OpenCV, nothing else.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import FULL, HALF, Bytes, Prediction

Gate = Literal["none", "max", "area", "presence"]


@dataclass(frozen=True)
class Rule:
    """How the mask of one class is made. All bounds are inclusive.

    Attributes:
        threshold: a pixel counts when its level is >= threshold, 1 … 255.
        gate: the class is allowed in an image when its score (see `scores`) is >= gate; 0 never closes.
        min_area: the class is left in an image when its remaining pixels are >= min_area; 0 keeps all.
        min_component: an 8-connected component stays when its pixels are >= min_component; 0 and 1 keep all.
    """

    threshold: int
    gate: int
    min_area: int
    min_component: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if type(value) is not int or value < 0:
                raise ValueError(f"{name}: expected a whole number, at least 0, found {value!r}")
        if not 1 <= self.threshold <= FULL:
            raise ValueError(f"threshold: expected 1 … {FULL}, found {self.threshold}")


@dataclass(frozen=True)
class Rules:
    """How the label map of an image is made.

    Attributes:
        gate: what the gates look at, see `scores`.
        rules: one a class, ClassId 1 first.
        factors: weights of the classes in training, relative to the background's, that the probabilities are freed of
            first (see `corrected`); None leaves them as they are.
        softmax: whether the probabilities are a softmax's, which share a pixel, or one sigmoid a class.
    """

    gate: Gate
    rules: tuple[Rule, ...]
    factors: tuple[float, ...] | None = None
    softmax: bool = True

    def __post_init__(self) -> None:
        if self.gate not in get_args(Gate):
            raise ValueError(f"gate: expected one of {', '.join(get_args(Gate))}, found {self.gate!r}")
        if self.factors is not None:
            if len(self.factors) != len(self.rules):
                raise ValueError(f"factors: expected {len(self.rules)}, one a class, found {len(self.factors)}")
            if not all(math.isfinite(factor) and factor > 0 for factor in self.factors):
                raise ValueError(f"factors: expected finite numbers above 0, found {list(self.factors)}")

    def to_json(self) -> dict[str, Any]:
        """Plain types, as `json` writes them; `from_json` takes them back."""
        content = asdict(self)
        return content | {"rules": list(content["rules"]), "factors": self.factors and list(self.factors)}

    @classmethod
    def from_json(cls, content: Any) -> "Rules":
        """Read what `to_json` gave.

        Raises:
            UserError: it is something else.
        """
        try:
            names = sorted(cls.__dataclass_fields__)
            if not isinstance(content, dict) or sorted(content) != names:
                raise ValueError(f"expected the keys {', '.join(names)}, found {_keys(content)}")
            if type(content["softmax"]) is not bool:
                raise ValueError(f"softmax: expected true or false, found {content['softmax']!r}")
            rules = tuple(Rule(**rule) for rule in content["rules"])
            factors = None if content["factors"] is None else tuple(float(factor) for factor in content["factors"])
            return cls(content["gate"], rules, factors, content["softmax"])
        except (TypeError, ValueError) as error:
            raise UserError(f"rules of post-processing: {error}") from None


def plain(classes: int) -> Rules:
    """No post-processing: a pixel gets the most probable class if that is more probable than not."""
    return Rules("none", (Rule(HALF, 0, 0, 0),) * classes)


def scores(pixels: Bytes, presence: Bytes, gate: Gate) -> npt.NDArray[np.int64]:
    """What the gate of each class looks at.

    Args:
        pixels: uint8 (height, width, classes).
        presence: uint8 (classes,).
        gate: max: the largest level; area: the sum of the levels in full pixels, which is the number of pixels to
            expect, rounded down; presence: that of the network; none: 0.

    Returns:
        int64 (classes,).
    """
    return _scores(_planes(pixels), presence, gate)


def corrected(pixels: Bytes, factors: tuple[float, ...], softmax: bool) -> Bytes:
    """Undo the class weights of training, under which a network's outputs are no probabilities but too high.

        softmax:  p_c' = (p_c / f_c) / (p_0 + sum_k p_k / f_k),  p_0 = max(1 - sum_k p_k, 0)
        sigmoid:  p'   = (p / f) / ((1 - p) + p / f)

    Args:
        pixels: uint8 (height, width, classes).
        factors: f, the weight of each class divided by the background's.
        softmax: softmax (True) or sigmoids (False).

    Returns:
        uint8 of the same shape, rounded. Half a level to 1/2 under a weight of 3 was 1/4 all along:

        >>> corrected(np.array([[[128]]], np.uint8), (3.0,), softmax=True)
        array([[[64]]], dtype=uint8)
    """
    weights = np.asarray(factors, np.float64)
    if not softmax:  # each class by itself: 256 answers serve all pixels
        levels = np.arange(FULL + 1)[:, np.newaxis]
        odds = levels / weights
        table = np.rint(FULL * odds / ((FULL - levels) + odds)).astype(np.uint8)
        return np.asarray(table[pixels, np.arange(len(weights))])
    result = np.zeros_like(pixels)
    some = np.bitwise_or.reduce(_planes(pixels), axis=0) > 0  # elsewhere 0 stays 0; that leaves no 0/0 either
    levels = pixels[some].astype(np.int64)  # (pixels, classes)
    odds = levels / weights
    background = np.maximum(FULL - levels.sum(axis=1, keepdims=True), 0)  # rounding lifts sums above 255
    result[some] = np.rint(FULL * odds / (background + odds.sum(axis=1, keepdims=True)))
    return result


def label_map(prediction: Prediction, rules: Rules) -> Bytes:
    """Give every pixel one class or the background.

    Correction first, if there are factors; gates and thresholds see what it leaves. Then every pixel gets the most
    probable class (of equal ones the lower ClassId) among those that are allowed and whose threshold it reaches; small
    components become background; at last each class with too little left becomes background as a whole.

    Returns:
        uint8 (height, width): 0 background, else ClassId.

    Raises:
        UserError: the rules are for another number of classes.
    """
    planes = _corrected_planes(prediction, rules)
    let_in = _let_in(planes, prediction, rules)
    labels: Bytes = np.zeros(planes.shape[1:], np.uint8)
    best = np.zeros_like(labels)
    there = []
    for class_id, (plane, rule) in enumerate(zip(planes, rules.rules, strict=True), start=1):
        if let_in[class_id - 1] and plane.size and plane.max() >= rule.threshold:
            wins = plane > np.maximum(best, rule.threshold - 1)
            labels[wins] = class_id
            best[wins] = plane[wins]
            there.append((class_id, rule))
    for class_id, rule in there:
        if rule.min_component > 1 or rule.min_area > 1:
            _clean(labels, class_id, rule)
    return labels


def allowed(prediction: Prediction, rules: Rules) -> list[bool]:
    """Whether the gate lets each class into the image, ClassId 1 first; `label_map` goes by the same."""
    return _let_in(_corrected_planes(prediction, rules), prediction, rules)


def _corrected_planes(prediction: Prediction, rules: Rules) -> Bytes:
    pixels = prediction.pixels
    if pixels.shape[-1] != len(rules.rules):
        raise UserError(f"rules of post-processing: expected {pixels.shape[-1]} classes, found {len(rules.rules)}")
    return _planes(corrected(pixels, rules.factors, rules.softmax) if rules.factors else pixels)


def _let_in(planes: Bytes, prediction: Prediction, rules: Rules) -> list[bool]:
    found = _scores(planes, prediction.presence, rules.gate)
    return [bool(score >= rule.gate) for score, rule in zip(found, rules.rules, strict=True)]


def _clean(labels: Bytes, class_id: int, rule: Rule) -> None:
    """Remove what is too small of one class, in place."""
    mask = labels == class_id
    if rule.min_component > 1:
        # Counting afterwards takes an eighth of the time of connectedComponentsWithStats, which does more than count.
        count, components = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
        areas = np.bincount(components[mask], minlength=count)  # number 0, all that is not the class, has none
        if (areas[1:] < rule.min_component).any():
            mask &= areas[components] >= rule.min_component
            labels[(labels == class_id) & ~mask] = 0
    if np.count_nonzero(mask) < rule.min_area:
        labels[mask] = 0


def _scores(planes: Bytes, presence: Bytes, gate: Gate) -> npt.NDArray[np.int64]:
    flat = planes.reshape(len(planes), -1)
    if gate == "max":
        return np.asarray(flat.max(axis=1, initial=0), np.int64)
    if gate == "area":
        return np.asarray(flat.sum(axis=1, dtype=np.int64) // FULL)
    return presence.astype(np.int64) if gate == "presence" else np.zeros(len(planes), np.int64)


def _planes(pixels: Bytes) -> Bytes:
    """Class by class, (classes, height, width): whole planes are ten times as fast to go through."""
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 0))


def _keys(content: Any) -> str:
    return ", ".join(map(str, sorted(content))) if isinstance(content, dict) else repr(content)
