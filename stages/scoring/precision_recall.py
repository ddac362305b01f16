"""Precision and recall of each class, by threshold.

Pixels are counted image by image into a histogram of probabilities. Memory does not grow with the number of images;
`sklearn.metrics.precision_recall_curve` would need every pixel of every image at once.
"""

import numpy as np

from stages.dataset import label_maps
from stages.pipeline.arrays import Int64, UInt8

LEVELS = 256  # probabilities are whole numbers, 255 stands for probability 1
STEPS = 100  # thresholds are 1/100, 2/100, … 99/100


def empty_histogram(classes: int) -> Int64:
    """A histogram without any pixel, to add others to."""
    return np.zeros((classes, 2, LEVELS), np.int64)


def histogram(pixels: UInt8, true: UInt8) -> Int64:
    """Count the pixels of one image by class, truth and probability. Histograms of several images can be added.

    Args:
        pixels: probabilities, uint8 (height, width, classes), ClassId 1 first; 255 is probability 1.
        true: label map, uint8 (height, width), or planes, uint8 (height, width, classes).

    Returns:
        int64 of shape (classes, 2, LEVELS): [k - 1, is_true, level] counts the pixels that have this level for class k
        and belong to it (1) or do not (0).
    """
    counts = empty_histogram(pixels.shape[-1])
    for index, plane in enumerate(np.moveaxis(pixels, -1, 0)):
        cells = label_maps.of_class(true, index + 1) * np.int64(LEVELS) + plane
        counts[index] = np.bincount(cells.reshape(-1), minlength=2 * LEVELS).reshape(2, LEVELS)
    return counts


def curve(counts: Int64) -> list[tuple[int, float, float, float]]:
    """Precision and recall of every class at every threshold: a pixel is predicted if its probability reaches it.

    Args:
        counts: a sum of histograms.

    Returns:
        Rows of ClassId, threshold, precision, recall. A level reaches k/100 if level/255 >= k/100. Thresholds that no
        pixel reaches and classes that do not occur have no row.
    """
    reached = counts[..., ::-1].cumsum(axis=-1)[..., ::-1]  # pixels at or above each level
    rows = []
    for class_id, (negative, positive) in enumerate(reached.tolist(), start=1):
        for step in range(1, STEPS):
            level = -(-step * (LEVELS - 1) // STEPS)  # the lowest level that reaches it: a division rounded up
            predicted = positive[level] + negative[level]
            if predicted and positive[0]:
                rows.append((class_id, step / STEPS, positive[level] / predicted, positive[level] / positive[0]))
    return rows
