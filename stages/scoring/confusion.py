"""The pixel confusion matrix: which class was taken for which.

A matrix has one row per true and one column per predicted class, the background first: `matrix[true, predicted]`
counts pixels. Scores are computed from `stages.scoring.overlaps`, which follow from the matrix unless classes overlap.

`matrix` is 30 times as fast as `sklearn.metrics.confusion_matrix` (`python -m tests.benchmarks` measures both), and an
evaluation counts every pixel of every image twice.
"""

import numpy as np

from stages.dataset import label_maps
from stages.pipeline.arrays import Float64, Int64, UInt8

_FEW = 64  # cells; this many comparisons of all pixels take as long as one count by bins


def matrix(true: UInt8, predicted: UInt8, classes: int) -> Int64:
    """Confusion matrix of one image.

    Where classes overlap (planes, uint8 (height, width, classes)), each pixel is still counted once, as well as it
    deserves. Its true class is one that is also predicted, the lowest if there are several, else the lowest true one,
    else the background. Its predicted class is the true one if that is predicted, else the lowest predicted one, else
    the background.

    Args:
        true, predicted: label maps of the same shape, values in 0 … classes; either may be planes.
        classes: number of classes, without the background.

    Returns:
        int64 of shape (1 + classes, 1 + classes), summing to the number of pixels.

    Raises:
        ValueError: a label above `classes`.

        >>> matrix(np.array([[0, 1]], np.uint8), np.array([[1, 1]], np.uint8), 1)
        array([[0, 1],
               [0, 1]])
    """
    if label_maps.are_planes(true) or label_maps.are_planes(predicted):
        true, predicted = _attributed(true, predicted, classes)
    size = classes + 1
    if size * size > _FEW:
        cells = true.astype(np.intp) * size + predicted
        return np.bincount(cells.reshape(-1), minlength=size * size).reshape(size, size)
    if true.size and max(int(true.max()), int(predicted.max())) > classes:
        raise ValueError(f"expected labels in 0 … {classes}, found {max(int(true.max()), int(predicted.max()))}")
    numbers = (true * np.uint8(size) + predicted).reshape(-1)
    other = numbers != 0  # all but background in both: a small part of most images
    count = np.count_nonzero(other)
    if 4 * count < numbers.size:
        counts = np.bincount(numbers[np.flatnonzero(other)], minlength=size * size)
        counts[0] = numbers.size - count
        return counts.reshape(size, size)
    # bincount increments one bin per pixel; comparisons process dozens of pixels at a time.
    counts, left = np.zeros(size * size, np.int64), numbers.size
    for cell in range(size * size):
        if not left:
            break
        counts[cell] = np.count_nonzero(numbers == cell)
        left -= counts[cell]
    return counts.reshape(size, size)


def shares(matrix: Int64) -> Float64:
    """Each row divided by its sum: the share of a true class's pixels by predicted class.

    The row of a class that does not occur stays 0.
    """
    share: Float64 = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return share


def pixel_accuracy(matrix: Int64) -> float | None:
    """Share of all pixels that got their true class; None if there are no pixels."""
    pixels = int(matrix.sum())
    return int(np.trace(matrix)) / pixels if pixels else None


def _attributed(true: UInt8, predicted: UInt8, classes: int) -> tuple[UInt8, UInt8]:
    """One true and one predicted class for each pixel: label maps."""
    there, found, both = np.zeros((3, *true.shape[:2]), np.uint8)
    for class_id in range(classes, 0, -1):  # the lowest is written last
        is_there, is_found = (label_maps.of_class(labels, class_id) for labels in (true, predicted))
        there[is_there] = found[is_found] = both[is_there & is_found] = class_id
    right = both > 0
    return np.where(right, both, there), np.where(right, both, found)
