"""From probabilities to the label map that confusion matrix, scores and submission are computed from.

Probabilities are whole numbers: uint8, 255 for probability 1, foreground classes only. Four rules apply in this order:
a class whose gate is closed is removed from the image; a pixel gets the most probable class among those whose
threshold it reaches; small components are removed; a class with too little area left is removed from the image. A
soft veto asks for more area the less the image-level head believes in the class (see `weighed`).
Where classes may overlap, a pixel gets every class whose threshold it reaches, and there is one plane per class.

This module also runs in a Kaggle notebook: it needs NumPy and OpenCV only.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import cv2
import numpy as np

from stages.pipeline.arrays import Int64, UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.class_weights import corrected
from stages.postprocessing.prediction import FULL, HALF, Prediction

Gate = Literal["none", "max", "area", "presence"]


@dataclass(frozen=True)
class Rule:
    """How the mask of one class is made. All bounds are inclusive.

    Attributes:
        threshold: a pixel counts if its level is >= threshold, 1 … 255.
        gate: the class is allowed in an image if its score (see `gate_scores`) is >= gate; 0 never closes.
        min_area: the class stays in an image if it has >= min_area pixels left; 0 keeps all.
        min_component: an 8-connected component stays if it has >= min_component pixels; 0 and 1 keep all.
        veto: min_area is (1 + veto) times as large where the image-level head gives the class probability 0, and grows
            in proportion in between; 0: the head has no say.
    """

    threshold: int
    gate: int
    min_area: int
    min_component: int
    veto: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if type(value) is not int or value < 0:
                raise ValueError(f"{name}: expected a whole number, at least 0, found {value!r}")
        if not 1 <= self.threshold <= FULL:
            raise ValueError(f"threshold: expected 1 … {FULL}, found {self.threshold}")

    def of_image(self, presence: int) -> "Rule":
        """The same for an image with this level of the image-level head: the veto becomes part of min_area, rounded up.

        An area stays by it if, and only if, what `weighed` makes of the area stays by the rule itself.

        >>> Rule(128, 0, 100, 0, veto=3).of_image(0).min_area, Rule(128, 0, 100, 0, veto=3).of_image(255).min_area
        (400, 100)
        """
        if not self.veto:
            return self
        least = -(-self.min_area * (FULL + self.veto * (FULL - presence)) // FULL)
        return replace(self, min_area=least, veto=0)


@dataclass(frozen=True)
class Rules:
    """How the label map of an image is made.

    Attributes:
        gate: which score the gates compare, see `gate_scores`.
        rules: one per class, ClassId 1 first.
        factors: training's weight of each class relative to the background. Probabilities are divided by them first
            (see `class_weights.corrected`); None leaves them as they are.
        softmax: whether the probabilities come from one softmax, or from one sigmoid per class.
        overlapping: whether a pixel may get several classes.
        one_class: whether an image may get only one class, that with the largest sum of (corrected) probabilities.
    """

    gate: Gate
    rules: tuple[Rule, ...]
    factors: tuple[float, ...] | None = None
    softmax: bool = True
    overlapping: bool = False
    one_class: bool = False

    def __post_init__(self) -> None:
        if self.gate not in get_args(Gate):
            raise ValueError(f"gate: expected one of {', '.join(get_args(Gate))}, found {self.gate!r}")
        if self.factors is not None:
            if len(self.factors) != len(self.rules):
                raise ValueError(f"factors: expected {len(self.rules)}, one per class, found {len(self.factors)}")
            if not all(math.isfinite(factor) and factor > 0 for factor in self.factors):
                raise ValueError(f"factors: expected finite numbers above 0, found {list(self.factors)}")

    def to_json(self) -> dict[str, Any]:
        """Plain types for `json`; `from_json` reads them back."""
        content = asdict(self)
        return content | {"rules": list(content["rules"]), "factors": self.factors and list(self.factors)}

    @classmethod
    def from_json(cls, content: Any) -> "Rules":
        """Read what `to_json` returned.

        Raises:
            UserError: the content is something else.
        """
        try:
            names = sorted(cls.__dataclass_fields__)
            if not isinstance(content, dict) or sorted(content) != names:
                raise ValueError(f"expected the keys {', '.join(names)}, found {_keys(content)}")
            flags = {name: content[name] for name in ("softmax", "overlapping", "one_class")}
            for name in flags:
                if type(content[name]) is not bool:
                    raise ValueError(f"{name}: expected true or false, found {content[name]!r}")
            rules = tuple(Rule(**rule) for rule in content["rules"])
            factors = None if content["factors"] is None else tuple(float(factor) for factor in content["factors"])
            return cls(content["gate"], rules, factors, **flags)
        except (TypeError, ValueError) as error:
            raise UserError(f"rules of post-processing: {error}") from None


@dataclass(frozen=True)
class Segmentation:
    """The masks of one image.

    Attributes:
        labels: uint8 (height, width), 0 for the background, else the ClassId. Where classes may overlap, planes: uint8
            (height, width, classes), 1 inside.
        allowed: whether the gate of each class is open, ClassId 1 first.
    """

    labels: UInt8
    allowed: list[bool]


def plain(classes: int, overlapping: bool = False) -> Rules:
    """No post-processing: a pixel gets the most probable class if its probability is above 1/2.

    With overlapping classes it gets each class whose probability is.
    """
    return Rules("none", (Rule(HALF, 0, 0, 0),) * classes, overlapping=overlapping)


def gate_scores(prediction: Prediction, gate: Gate) -> Int64:
    """The score of each class that its gate is compared with.

    Args:
        prediction: already corrected.
        gate: max: the largest level; area: the expected number of pixels (sum of the levels / 255, rounded down);
            presence: the level of the image-level head; none: 0.

    Returns:
        int64 (classes,).
    """
    return _gate_scores(prediction.planes, prediction.presence, gate)


def weighed(area: Int64, presence: Int64, veto: int) -> Int64:
    """An area as the bound `min_area` sees it under a veto, rounded down:

        area / (1 + veto * (1 - presence / 255))

    Args:
        area: pixels.
        presence: level of the image-level head, 0 … 255, of a shape that broadcasts.
        veto: as in `Rule`.

    Returns:
        int64 of their common shape.

        >>> weighed(np.array([400, 400]), np.array([255, 0]), 3)
        array([400, 100])
    """
    return area * FULL // (FULL + veto * (FULL - presence))


def segment(prediction: Prediction, rules: Rules) -> Segmentation:
    """Give every pixel one class or the background, or every class that it has where classes may overlap.

    The correction comes first, if there are factors, and then the choice of one class, if images have only one; gates
    and thresholds compare corrected levels. Then every pixel
    gets the most probable class (the lower ClassId if equal) among those that are allowed and whose threshold it
    reaches; with overlapping classes, all of those. Small components become background. Finally each class with too
    little area left becomes background.

    Raises:
        UserError: the rules are for another number of classes.
    """
    classes = prediction.pixels.shape[-1]
    if classes != len(rules.rules):
        raise UserError(f"rules of post-processing: expected {classes} classes, found {len(rules.rules)}")
    prediction = corrected(prediction, rules.factors, rules.softmax)
    planes = (prediction.of_one_class if rules.one_class else prediction).planes
    scores = _gate_scores(planes, prediction.presence, rules.gate)
    allowed = [bool(score >= rule.gate) for score, rule in zip(scores, rules.rules, strict=True)]
    of_image = tuple(map(Rule.of_image, rules.rules, prediction.presence.tolist()))
    if rules.overlapping:
        return Segmentation(_each(planes, of_image, allowed), allowed)
    labels, present = _most_probable(planes, of_image, allowed)
    for class_id in present:
        _clean(labels, class_id, of_image[class_id - 1])
    return Segmentation(labels, allowed)


def label_map(prediction: Prediction, rules: Rules) -> UInt8:
    """The label map alone, uint8 (height, width), or the planes of overlapping classes; see `segment`."""
    return segment(prediction, rules).labels


def _most_probable(planes: UInt8, rules: tuple[Rule, ...], allowed: list[bool]) -> tuple[UInt8, list[int]]:
    """The label map before cleaning, and the ClassIds that reach their threshold somewhere."""
    labels: UInt8 = np.zeros(planes.shape[1:], np.uint8)
    best = np.zeros_like(labels)
    present = []
    for class_id, (plane, rule) in enumerate(zip(planes, rules, strict=True), start=1):
        if allowed[class_id - 1] and plane.size and plane.max() >= rule.threshold:
            reached = cv2.threshold(plane, rule.threshold - 1, 0, cv2.THRESH_TOZERO)[1]
            wins = reached > best
            np.maximum(labels, wins.view(np.uint8) * np.uint8(class_id), out=labels)  # classes come in ascending order
            np.maximum(best, reached, out=best)
            present.append(class_id)
    return labels, present


def _each(planes: UInt8, rules: tuple[Rule, ...], allowed: list[bool]) -> UInt8:
    """Masks of classes that may overlap, uint8 (height, width, classes)."""
    masks: UInt8 = np.zeros(planes.shape, np.uint8)
    for mask, plane, rule, is_open in zip(masks, planes, rules, allowed, strict=True):
        if is_open and plane.size and plane.max() >= rule.threshold:
            mask[:] = plane >= rule.threshold
            _clean(mask, 1, rule)  # a label map of a single class
    return masks.transpose(1, 2, 0)  # a view: each mask lies in memory by itself


def _clean(labels: UInt8, class_id: int, rule: Rule) -> None:
    """Remove small components, and then a small rest, of one class, in place."""
    if rule.min_component <= 1 and rule.min_area <= 1:
        return
    mask = labels == class_id
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))  # most masks are in a small part of the image
    part, mask = (each[top : top + height, left : left + width] for each in (labels, mask))
    area = np.count_nonzero(mask)
    if rule.min_component > 1 and area:
        # Counting afterwards takes an eighth of the time of connectedComponentsWithStats, which does more than count.
        count, components = cv2.connectedComponents(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)
        areas = np.bincount(components[mask], minlength=count)
        small = areas < rule.min_component
        small[0] = False  # the rest of the image
        if small.any():
            part[small[components]] = 0
            area -= areas[small].sum()
    if area < rule.min_area:
        part[mask] = 0


def _gate_scores(planes: UInt8, presence: UInt8, gate: Gate) -> Int64:
    flat = planes.reshape(len(planes), -1)
    if gate == "max":
        return np.asarray(flat.max(axis=1, initial=0), np.int64)
    if gate == "area":
        return np.asarray(flat.sum(axis=1, dtype=np.int64) // FULL)
    return presence.astype(np.int64) if gate == "presence" else np.zeros(len(planes), np.int64)


def _keys(content: Any) -> str:
    return ", ".join(map(str, sorted(content))) if isinstance(content, dict) else repr(content)
