"""The held-out masks of another engine: what they score, and how many pixels and masks are not the same."""

from typing import Any

import numpy as np

from stages.dataset import label_maps
from stages.dataset.layout import Metric
from stages.pipeline.arrays import UInt8
from stages.scoring import evaluation
from stages.scoring.evaluation import ScoredImage


class Agreement:
    """Counts that grow image by image.

    Args:
        classes: how many there are.
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.images: list[ScoredImage] = []
        self.pixels = self.different_pixels = self.different_masks = 0

    def add(self, image: ScoredImage, labels: UInt8, other: UInt8) -> None:
        """Take an image into account.

        Args:
            image: scored with the other engine's masks.
            labels: the masks at hand: a label map or planes.
            other: those of the other engine, of the same shape.
        """
        differs = labels != other
        differs = differs.any(axis=-1) if differs.ndim == 3 else differs
        self.images.append(image)
        self.pixels += differs.size
        self.different_pixels += int(np.count_nonzero(differs))
        self.different_masks += sum(
            not np.array_equal(label_maps.of_class(labels, class_id), label_maps.of_class(other, class_id))
            for class_id in range(1, self.classes + 1)
        )

    def figures(self, metric: Metric) -> dict[str, Any]:
        """The section `notebook` of metrics/evaluation.json: scores, the share of pixels, and the number of masks."""
        scores = evaluation.headline(self.images, metric)
        return {name: scores[name] for name in ("score", "mean_dice", "positive_mean_dice")} | {
            "pixels_that_differ": self.different_pixels / max(self.pixels, 1),
            "masks_that_differ": self.different_masks,
        }
