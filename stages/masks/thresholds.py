"""Precision and recall of each class by the probability that a pixel has to reach.

Counted image by image into a histogram of probabilities, so that memory does not grow with the images.
"""

import numpy as np
import numpy.typing as npt

STEPS = 100  # thresholds are 1/100, 2/100, … 99/100

Histogram = npt.NDArray[np.int64]


def histogram(probabilities: npt.NDArray[np.float32], true: npt.NDArray[np.uint8]) -> Histogram:
    """Count the pixels of one image by class, truth and probability; histograms of several images add up.

    Args:
        probabilities: float32 of shape (height, width, 1 + classes), the background first, in 0 … 1.
        true: label map, uint8 of shape (height, width).

    Returns:
        int64 of shape (classes, 2, STEPS + 1): entry [k - 1, there, i] counts the pixels where class k is there (1) or
        not (0) and its probability is in i/STEPS … (i + 1)/STEPS, the lower end included; the last entry is for 1.
    """
    classes = probabilities.shape[-1] - 1
    # float64 holds i/100 closer than float32 spaces its numbers, so a probability of float32(0.29) is in step 29.
    step = np.floor(probabilities[..., 1:].astype(np.float64) * STEPS + 1e-5).astype(np.intp)
    there = true[..., np.newaxis] == np.arange(1, classes + 1)
    cells = (np.arange(classes) * 2 + there) * (STEPS + 1) + np.clip(step, 0, STEPS)
    return np.bincount(cells.reshape(-1), minlength=classes * 2 * (STEPS + 1)).reshape(classes, 2, STEPS + 1)


def curve(counts: Histogram) -> list[tuple[int, float, float, float]]:
    """Precision and recall of every class at every threshold: a pixel is predicted where its probability reaches it.

    Args:
        counts: a sum of histograms.

    Returns:
        Rows of ClassId, threshold, precision, recall. Thresholds that no pixel reaches, and classes that do not occur,
        have no precision or recall and no row.
    """
    reached = counts[..., ::-1].cumsum(axis=-1)[..., ::-1]  # pixels at or above each step
    rows = []
    for class_id, (elsewhere, there) in enumerate(reached.tolist(), start=1):
        for step in range(1, STEPS):
            predicted = there[step] + elsewhere[step]
            if predicted and there[0]:
                rows.append((class_id, step / STEPS, there[step] / predicted, there[step] / there[0]))
    return rows
