"""The pixel confusion matrix and the figures that follow from it.

A matrix has one row per true and one column per predicted class, the background first: `matrix[true, predicted]`
counts pixels. One image's matrix also holds what its Dice coefficients need.
"""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.int64]

_FEW = 64  # cells; so many comparisons of all pixels take as long as one count by bins


def matrix(true: npt.NDArray[np.uint8], predicted: npt.NDArray[np.uint8], classes: int) -> Matrix:
    """Confusion matrix of one image.

    Args:
        true, predicted: label maps of one shape, values in 0 … classes.
        classes: how many classes there are, the background not counted.

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
    other = numbers != 0  # what is not background in both: little of most images
    count = np.count_nonzero(other)
    if 4 * count < numbers.size:
        counts = np.bincount(numbers[np.flatnonzero(other)], minlength=size * size)
        counts[0] = numbers.size - count
        return counts.reshape(size, size)
    # A bin that grows pixel after pixel waits for itself; comparisons do dozens of pixels at a time.
    counts, left = np.zeros(size * size, np.int64), numbers.size
    for cell in range(size * size):
        if not left:
            break
        counts[cell] = np.count_nonzero(numbers == cell)
        left -= counts[cell]
    return counts.reshape(size, size)


def overlaps(matrix: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Pixels per class, the background left out, as `score.dice` takes them.

    Args:
        matrix: shape (..., 1 + classes, 1 + classes).

    Returns:
        intersection, true and predicted pixels, each of shape (..., classes).
    """
    intersection = np.diagonal(matrix, axis1=-2, axis2=-1)
    return intersection[..., 1:], matrix.sum(axis=-1)[..., 1:], matrix.sum(axis=-2)[..., 1:]


def shares(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Each row divided by its sum: the share of a true class's pixels by predicted class.

    A row without pixels, of a class that does not occur, stays 0.
    """
    share: npt.NDArray[np.float64] = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return share


def figures(matrix: Matrix) -> list[dict[str, float | None]]:
    """Precision, recall, F1 (the Dice coefficient over all pixels at once) and IoU, per class, the background first.

    Returns:
        One dictionary a class. None where a figure is 0/0: precision of a class that is never predicted, recall of
        one that does not occur, F1 and IoU of one that is neither.
    """
    right = np.diagonal(matrix)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    return [
        {
            "precision": _ratio(hit, found),
            "recall": _ratio(hit, there),
            "f1": _ratio(2 * hit, there + found),
            "iou": _ratio(hit, there + found - hit),
        }
        for hit, there, found in zip(right.tolist(), true.tolist(), predicted.tolist(), strict=True)
    ]


def pixel_accuracy(matrix: Matrix) -> float | None:
    """Share of all pixels that got their true class; None without any pixel."""
    return _ratio(int(np.trace(matrix)), int(matrix.sum()))


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
