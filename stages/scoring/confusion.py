"""The pixel confusion matrix and the figures computed from it.

A matrix has one row per true and one column per predicted class, the background first: `matrix[true, predicted]`
counts pixels. The Dice coefficients of an image follow from its matrix.

`matrix` is 30 times as fast as `sklearn.metrics.confusion_matrix` (`python -m tests.benchmarks` measures both), and an
evaluation counts every pixel of every image twice.
"""

import numpy as np

from stages.pipeline.arrays import Float64, Int64, UInt8

_FEW = 64  # cells; this many comparisons of all pixels take as long as one count by bins


def matrix(true: UInt8, predicted: UInt8, classes: int) -> Int64:
    """Confusion matrix of one image.

    Args:
        true, predicted: label maps of the same shape, values in 0 … classes.
        classes: number of classes, without the background.

    Returns:
        int64 of shape (1 + classes, 1 + classes), summing to the number of pixels.

    Raises:
        ValueError: a label above `classes`.

        >>> matrix(np.array([[0, 1]], np.uint8), np.array([[1, 1]], np.uint8), 1)
        array([[0, 1],
               [0, 1]])
    """
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


def overlaps(matrix: Int64) -> tuple[Int64, Int64, Int64]:
    """Pixels per class, without the background: the arguments of `dice`.

    Args:
        matrix: shape (..., 1 + classes, 1 + classes).

    Returns:
        intersection, true and predicted pixels, each of shape (..., classes).
    """
    intersection = np.diagonal(matrix, axis1=-2, axis2=-1)
    return intersection[..., 1:], matrix.sum(axis=-1)[..., 1:], matrix.sum(axis=-2)[..., 1:]


def shares(matrix: Int64) -> Float64:
    """Each row divided by its sum: the share of a true class's pixels by predicted class.

    The row of a class that does not occur stays 0.
    """
    share: Float64 = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return share


def figures(matrix: Int64) -> list[dict[str, float | None]]:
    """Precision, recall, F1 (the Dice coefficient over all pixels at once) and IoU, per class, the background first.

    Returns:
        One dictionary per class. None where a figure is 0/0: precision of a class that is never predicted, recall of a
        class that does not occur, F1 and IoU of a class that neither occurs nor is predicted.
    """
    hits, true, predicted = np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        {
            "precision": _ratio(hit, found),
            "recall": _ratio(hit, there),
            "f1": _ratio(2 * hit, there + found),
            "iou": _ratio(hit, there + found - hit),
        }
        for hit, there, found in zip(hits.tolist(), true.tolist(), predicted.tolist(), strict=True)
    ]


def pixel_accuracy(matrix: Int64) -> float | None:
    """Share of all pixels that got their true class; None if there are no pixels."""
    return _ratio(int(np.trace(matrix)), int(matrix.sum()))


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
