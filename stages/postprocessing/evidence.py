"""What the probabilities of an image say of its predicted masks: the numbers from which `expected_dice` is computed."""

import numpy as np

from stages.pipeline.arrays import Float64, Int64, UInt8
from stages.postprocessing.class_weights import corrected
from stages.postprocessing.prediction import FULL, Prediction
from stages.postprocessing.rules import Rules

# In the order in which `of_image` gives them.
NAMES = ("soft Dice", "margin", "entropy", "area", "expected area", "largest probability", "distance")

_LEVELS = np.arange(FULL + 1) / FULL
_INSIDE = np.clip(_LEVELS, 1e-12, 1 - 1e-12)
_ENTROPY = -(_INSIDE * np.log2(_INSIDE) + (1 - _INSIDE) * np.log2(1 - _INSIDE))  # bits


def of_image(prediction: Prediction, labels: UInt8, rules: Rules, distance: float) -> Float64:
    """Describe the predicted masks of an image by numbers that need no truth.

        soft Dice             2 Σ p m / Σ (p + m), m being the mask: the soft Dice confidence of Borges and others,
                              "Soft Dice Confidence", 2024 (arXiv 2402.10665); 0 for an empty mask
        margin                mean of |2 p - 1| in the mask; 0 for an empty mask
        entropy               bits of all pixels together, divided by the expected area plus one pixel
        area, expected area   log(1 + pixels), of the mask and of the sum of all p
        largest probability   of any pixel
        distance              as given

    Args:
        prediction: the networks' own, at the size of the labels.
        labels: the label map that the rules make of it, uint8 (height, width), or planes (height, width, classes).
        rules: of post-processing; probabilities are corrected by their factors first.
        distance: of the image from those that were trained on, see `Reference.distance`.

    Returns:
        float64 of shape (classes, len(NAMES)).
    """
    planes = corrected(prediction, rules.factors, rules.softmax).planes
    rows = []
    for class_id, plane in enumerate(planes, start=1):
        mask = labels == class_id if labels.ndim == 2 else labels[..., class_id - 1] > 0
        rows.append([*_of_class(_levels(plane), _levels(plane[mask])), distance])
    return np.array(rows, np.float64)


def _of_class(everywhere: Int64, inside: Int64) -> list[float]:
    """All but the distance, from the numbers of pixels at each level, in the image and in the mask."""
    area, expected = int(inside.sum()), float(everywhere @ _LEVELS)
    return [
        2 * float(inside @ _LEVELS) / (expected + area) if area else 0.0,
        float(inside @ np.abs(2 * _LEVELS - 1)) / area if area else 0.0,
        float(everywhere @ _ENTROPY) / (expected + 1),
        float(np.log1p(area)),
        float(np.log1p(expected)),
        float(np.flatnonzero(everywhere).max(initial=0)) / FULL,
    ]


def _levels(pixels: UInt8) -> Int64:
    return np.bincount(pixels.reshape(-1), minlength=FULL + 1)
