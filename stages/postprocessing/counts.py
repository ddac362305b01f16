"""What the search has to know about one image: a few kilobytes, whatever the size of the image."""

from dataclasses import dataclass, replace

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
        presence: levels of the image-level head, int64 (classes,).
        true: pixels of the true mask, int64 (classes,).
        predicted: pixels of the predicted mask, int32 (classes, thresholds, min_components).
        hits: how many of those are in the true mask too; same shape.
        joined_hits: how many of those are in the true mask of any class; same shape. None unless the search space
            counts joined masks.
        joined_true: pixels that are in the true mask of any class; None unless the search space counts joined masks.
    """

    scores: Int64
    presence: Int64
    true: Int64
    predicted: npt.NDArray[np.int32]
    hits: npt.NDArray[np.int32]
    joined_hits: npt.NDArray[np.int32] | None = None
    joined_true: int | None = None

    @property
    def counted_hits(self) -> npt.NDArray[np.int32]:
        """The hits that count where classes are scored together: `joined_hits` if there are any."""
        return self.hits if self.joined_hits is None else self.joined_hits

    @property
    def counted_true(self) -> int:
        """The true pixels that count where classes are scored together."""
        return int(self.true.sum()) if self.joined_true is None else self.joined_true


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
    predicted, hits = np.zeros(shape, np.int32), np.zeros((1 + space.counts_joined, *shape), np.int32)
    joined = label_maps.anything(true) if space.counts_joined else None
    if space.one_class:
        prediction = prediction.of_one_class
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(prediction.pixels, -1, 0)]
    for index, own in enumerate(planes if space.overlapping else _most_probable(planes)):
        thresholds, components = space.thresholds[index], space.min_components[index]
        if own.max(initial=0) >= thresholds[0]:
            masks = [label_maps.of_class(true, index + 1)] + ([] if joined is None else [joined])
            predicted[index], hits[:, index] = _count(own, masks, thresholds, components)
    true_pixels = label_maps.pixels(true, classes)[1:].astype(np.int64)
    presence = prediction.presence.astype(np.int64)
    counts = ImageCounts(gate_scores(prediction, space.gate), presence, true_pixels, predicted, hits[0])
    return counts if joined is None else replace(counts, joined_hits=hits[1], joined_true=int(joined.sum()))


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


def _count(
    own: UInt8, masks: list[Bool], thresholds: tuple[int, ...], components: tuple[int, ...]
) -> tuple[Int64, Int64]:
    """Predicted pixels, (thresholds, min_components), and how many are in each mask, (masks, …, …): both int64."""
    rows, columns = (np.flatnonzero((own >= thresholds[0]).any(axis=axis)) for axis in (1, 0))
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # usually much less than the image
    own, masks = own[inside], [mask[inside] for mask in masks]
    shape = len(thresholds), len(components)
    predicted, hits = np.zeros(shape, np.int64), np.zeros((len(masks), *shape), np.int64)
    for row, threshold in enumerate(thresholds):
        found = own >= threshold
        number, labels = cv2.connectedComponents(found.view(np.uint8), connectivity=8)
        areas = np.bincount(labels[found], minlength=number)  # component 0 is the rest of the image
        kept = areas[:, np.newaxis] >= components
        predicted[row] = areas @ kept
        for each, true in enumerate(masks):
            hits[each, row] = np.bincount(labels[found & true], minlength=number) @ kept
    return predicted, hits
