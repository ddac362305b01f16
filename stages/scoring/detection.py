"""How reliably a class is found: counted in images, not in pixels.

A class is found in an image if its predicted mask overlaps the true one. Recall is the share of the images with the
class in which it is found. Precision is the share of the images with a predicted mask in which it is found: a mask on
an image without the class is a false alarm, and so is one that lies beside the defect.
"""

import numpy as np

from stages.pipeline.arrays import Int64


def figures(hits: Int64, true: Int64, predicted: Int64) -> list[dict[str, float | None]]:
    """Image recall and image precision of each class.

    Args:
        hits, true, predicted: pixels in both masks, in the true and in the predicted mask, int64 (images, classes).

    Returns:
        For each class `image_recall` and `image_precision`, 0 … 1; None if no image has the class, or no mask.

        >>> figures(np.array([[5], [0], [0]]), np.array([[9], [9], [0]]), np.array([[7], [0], [3]]))
        [{'image_recall': 0.5, 'image_precision': 0.5}]
    """
    found, there, alarms = (np.count_nonzero(pixels, axis=0).tolist() for pixels in (hits, true, predicted))
    return [
        {"image_recall": _share(right, of_class), "image_precision": _share(right, of_masks)}
        for right, of_class, of_masks in zip(found, there, alarms, strict=True)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
