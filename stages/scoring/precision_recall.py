"""Precision and recall of each class by the probability that a pixel has to reach.

Counted image by image into a histogram of probabilities, so that memory does not grow with the images.
"""

import numpy as np
import numpy.typing as npt

LEVELS = 256  # probabilities are whole numbers, 255 for certainty
STEPS = 100  # thresholds are 1/100, 2/100, … 99/100

Histogram = npt.NDArray[np.int64]


def histogram(pixels: npt.NDArray[np.uint8], true: npt.NDArray[np.uint8]) -> Histogram:
    """Count the pixels of one image by class, truth and probability; histograms of several images add up.

    Args:
        pixels: probabilities, uint8 (height, width, classes), ClassId 1 first; 255 is probability 1.
        true: label map, uint8 of shape (height, width).

    Returns:
        int64 of shape (classes, 2, LEVELS): entry [k - 1, there, level] counts the pixels where class k is there (1)
        or not (0) and has that level.
    """
    counts = np.zeros((pixels.shape[-1], 2, LEVELS), np.int64)
    for number, plane in enumerate(np.moveaxis(pixels, -1, 0)):
        cells = (true == number + 1) * np.int64(LEVELS) + plane
        counts[number] = np.bincount(cells.reshape(-1), minlength=2 * LEVELS).reshape(2, LEVELS)
    return counts


def curve(counts: Histogram) -> list[tuple[int, float, float, float]]:
    """Precision and recall of every class at every threshold: a pixel is predicted where its probability reaches it.

    Args:
        counts: a sum of histograms.

    Returns:
        Rows of ClassId, threshold, precision, recall. A level reaches k/100 when level/255 >= k/100. Thresholds that no
        pixel reaches, and classes that do not occur, have no precision or recall and no row.
    """
    reached = counts[..., ::-1].cumsum(axis=-1)[..., ::-1]  # pixels at or above each level
    rows = []
    for class_id, (elsewhere, there) in enumerate(reached.tolist(), start=1):
        for step in range(1, STEPS):
            level = -(-step * (LEVELS - 1) // STEPS)  # the lowest that reaches it, rounded up in whole numbers
            predicted = there[level] + elsewhere[level]
            if predicted and there[0]:
                rows.append((class_id, step / STEPS, there[level] / predicted, there[level] / there[0]))
    return rows
