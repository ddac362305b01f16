"""How far true and predicted masks overlap: the pixel counts that every score and figure is computed from.

Overlaps are int64 (3, 1 + classes): for the background and each class the pixels in both masks, in the true mask and in
the predicted mask. The background is what has no class. Where classes overlap, a pixel counts for each of its classes.
"""

import numpy as np

from stages.dataset import label_maps
from stages.pipeline.arrays import Int64, UInt8
from stages.scoring import confusion


def count(true: UInt8, predicted: UInt8, classes: int, matrix: Int64 | None = None) -> Int64:
    """Overlaps of one image.

    Args:
        true, predicted: label maps, uint8 (height, width), values in 0 … classes, or planes, uint8 (height, width,
            classes), of one height and width.
        classes: number of classes, without the background.
        matrix: their confusion matrix, if it is known: without planes the overlaps follow from it.

    Returns:
        int64 (3, 1 + classes).

        >>> count(np.array([[[1, 1], [0, 0]]], np.uint8), np.array([[2, 2]], np.uint8), 2)
        array([[0, 0, 1],
               [1, 1, 1],
               [0, 0, 2]])
    """
    if not label_maps.are_planes(true) and not label_maps.are_planes(predicted):
        return of_matrix(confusion.matrix(true, predicted, classes) if matrix is None else matrix)
    counts = np.zeros((3, 1 + classes), np.int64)
    any_true, any_predicted = np.zeros((2, *true.shape[:2]), np.bool_)  # a tenth of the time of `any` over planes
    for class_id in range(1, classes + 1):
        there, found = (label_maps.of_class(labels, class_id) for labels in (true, predicted))
        counts[:, class_id] = [np.count_nonzero(mask) for mask in (there & found, there, found)]
        any_true |= there
        any_predicted |= found
    counts[:, 0] = [np.count_nonzero(~mask) for mask in (any_true | any_predicted, any_true, any_predicted)]
    return counts


def of_matrix(matrix: Int64) -> Int64:
    """Overlaps (…, 3, 1 + classes) from confusion matrices (…, 1 + classes, 1 + classes) of label maps."""
    intersection = np.diagonal(matrix, axis1=-2, axis2=-1)
    return np.stack([intersection, matrix.sum(axis=-1), matrix.sum(axis=-2)], axis=-2)


def joined(overlaps: Int64, pixels: Int64) -> tuple[Int64, Int64, Int64]:
    """Pixels that have any class: the arguments of `metric.score` where classes are joined.

    Args:
        overlaps: shape (images, 3, 1 + classes).
        pixels: of each image, int64 (images,).

    Returns:
        intersection, true and predicted pixels, each of shape (images, 1).
    """
    both, true, predicted = (overlaps[:, row, 0] for row in range(3))  # of the background
    counts = pixels - true - predicted + both, pixels - true, pixels - predicted
    return counts[0][:, np.newaxis], counts[1][:, np.newaxis], counts[2][:, np.newaxis]


def of_classes(overlaps: Int64) -> tuple[Int64, Int64, Int64]:
    """Pixels per class, without the background: the arguments of `dice` and of `metric.score`.

    Args:
        overlaps: shape (…, 3, 1 + classes).

    Returns:
        intersection, true and predicted pixels, each of shape (…, classes).
    """
    return overlaps[..., 0, 1:], overlaps[..., 1, 1:], overlaps[..., 2, 1:]


def figures(overlaps: Int64) -> list[dict[str, float | None]]:
    """Precision, recall, F1 (the Dice coefficient over all pixels at once) and IoU, per class, the background first.

    Args:
        overlaps: of one image, or the sum of those of several.

    Returns:
        One dictionary per class. None where a figure is 0/0: precision of a class that is never predicted, recall of a
        class that does not occur, F1 and IoU of a class that neither occurs nor is predicted.
    """
    return [
        {
            "precision": _ratio(hit, found),
            "recall": _ratio(hit, there),
            "f1": _ratio(2 * hit, there + found),
            "iou": _ratio(hit, there + found - hit),
        }
        for hit, there, found in zip(*overlaps.tolist(), strict=True)
    ]


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
