"""The weight of each class in the losses that take weights."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]
ClassWeights = str | Sequence[float] | None


def of_classes(kind: ClassWeights, pixels: npt.NDArray[np.int64]) -> Weights:
    """Weight of each class in the losses that take weights.

    - "balanced": pixels / (classes · pixels of the class), as in scikit-learn's `compute_class_weight`;
    - "sqrt_balanced": the square root of that, also scaled to a mean of 1 over all pixels. A class that is a thousand
      times rarer than another then weighs 30 times as much; with 1,000 times, the network would predict it everywhere;
    - a list: as given, the background first;
    - None: 1 for all.

    Args:
        kind: one of the above, as checked by `stages.pipeline.settings`.
        pixels: int64 of shape (1 + classes,): pixels of each class in the crops, the background first.

    Returns:
        float32 of shape (1 + classes,). A class without any pixel weighs 0.
    """
    if kind is None:
        return np.ones(len(pixels), np.float32)
    if not isinstance(kind, str):
        return np.asarray(kind, np.float32)
    occurs = pixels > 0
    share = pixels / max(int(pixels.sum()), 1)
    weights = np.divide(1.0, share, out=np.zeros(len(pixels)), where=occurs)
    if kind == "sqrt_balanced":
        weights = np.sqrt(weights)
    return np.asarray(weights / (share * weights).sum(), np.float32)
