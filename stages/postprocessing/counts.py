"""What the search has to know about one image: a few kilobytes, whatever the size of the image."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from stages.dataset import label_maps
from stages.pipeline.arrays import Bool, Int64, UInt8
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import gate_scores
from stages.postprocessing.search_space import SearchSpace


@dataclass(frozen=True)
class ImageCounts:
    """Pixels of one image at every threshold and smallest component.

    Attributes:
        scores: of the gates, int64 (classes,).
        true: pixels of the true mask, int64 (classes,).
        predicted: pixels of the predicted mask, int32 (classes, thresholds, min_components).
        hits: how many of those are in the true mask too; same shape.
    """

    scores: Int64
    true: Int64
    predicted: npt.NDArray[np.int32]
    hits: npt.NDArray[np.int32]


def count(prediction: Prediction, true: UInt8, space: SearchSpace) -> ImageCounts:
    """Count the pixels of one image.

    Args:
        prediction: already corrected by the factors of the search space.
        true: label map, uint8 (height, width), or planes, uint8 (height, width, classes).
        space: the values to count for. With overlapping classes each is counted wherever it reaches its threshold,
            else only where no other class is more probable.
    """
    classes = len(space.thresholds)
    shape = classes, len(space.thresholds[0]), len(space.min_components[0])
    predicted, hits = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(prediction.pixels, -1, 0)]
    for index, own in enumerate(planes if space.overlapping else _most_probable(planes)):
        thresholds, components = space.thresholds[index], space.min_components[index]
        if own.max(initial=0) >= thresholds[0]:
            mask = label_maps.of_class(true, index + 1)
            predicted[index], hits[index] = _count(own, mask, thresholds, components)
    true_pixels = label_maps.pixels(true, classes)[1:].astype(np.int64)
    return ImageCounts(gate_scores(prediction, space.gate), true_pixels, predicted, hits)


def _most_probable(planes: list[UInt8]) -> list[UInt8]:
    """For each class its levels where it is the most probable one (the lower ClassId if equal), elsewhere 0."""
    best = planes[0]
    for plane in planes[1:]:
        best = np.maximum(best, plane)
    owned, free = [], np.ones(best.shape, np.bool_)
    for plane in planes:
        own = (plane == best) & free
        free &= ~own
        owned.append(np.where(own, plane, np.uint8(0)))
    return owned


def _count(own: UInt8, true: Bool, thresholds: tuple[int, ...], components: tuple[int, ...]) -> tuple[Int64, Int64]:
    """Predicted pixels, and how many of them are true, int64 (thresholds, min_components)."""
    rows, columns = (np.flatnonzero((own >= thresholds[0]).any(axis=axis)) for axis in (1, 0))
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # usually much less than the image
    own, true = own[inside], true[inside]
    predicted, hits = np.zeros((2, len(thresholds), len(components)), np.int64)
    for row, threshold in enumerate(thresholds):
        mask = own >= threshold
        number, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
        areas = np.bincount(labels[mask], minlength=number)  # component 0 is the rest of the image
        right = np.bincount(labels[mask & true], minlength=number)
        kept = areas[:, np.newaxis] >= components
        predicted[row], hits[row] = areas @ kept, right @ kept
    return predicted, hits
