"""The training images as a few numbers, to tell how far a new photograph, or a shift's photographs, lie from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.dataset import shift
from stages.pipeline.arrays import Float32, Float64

# Of shift.FEATURES: light, blackness and texture of the whole image, without the coarse grid.
COMPARED = ("brightness", "spread", "black", "texture across", "texture down")
FEWEST = 5  # photographs, below which a difference of means says nothing


@dataclass(frozen=True)
class Reference:
    """The numbers of `shift.features` over the images that were trained on.

    Attributes:
        mean, deviation: float64 (len(shift.FEATURES),).
        groups: of near-duplicates, that many images of their own.
    """

    mean: Float64
    deviation: Float64
    groups: int

    @classmethod
    def of(cls, described: Float32, groups: int) -> "Reference":
        """From the features of all images, float32 (images, len(shift.FEATURES))."""
        return cls(described.mean(axis=0, dtype=np.float64), described.std(axis=0, dtype=np.float64), groups)

    def distance(self, features: Float32) -> float:
        """How far an image lies from the mean: root mean square, over all features, of standard deviations.

        Args:
            features: float32 (len(shift.FEATURES),), as `shift.features` gives them.
        """
        steps = (features - self.mean) / np.maximum(self.deviation, shift.LEAST_SPREAD)
        return float(np.sqrt(np.square(steps).mean()))

    def moved(self, means: Float64, count: int) -> list[shift.Difference]:
        """In what a set of photographs differs from the images trained on, beyond chance and enough to matter.

        Args:
            means: of their features, float64 (len(shift.FEATURES),).
            count: how many photographs.

        Returns:
            Those of `COMPARED` that are problems (see `shift.Difference`); none for fewer than `FEWEST` photographs.
        """
        if count < FEWEST:
            return []
        d = (means - self.mean) / np.maximum(self.deviation, shift.LEAST_SPREAD)
        error = np.sqrt(1 / max(1, self.groups) + 1 / count + d**2 / (2 * (self.groups + count)))
        table = np.stack([self.mean, means, d, error], axis=1).tolist()
        found = [shift.Difference(name, *row) for name, row in zip(shift.FEATURES, table, strict=True)]
        return [difference for difference in found if difference.feature in COMPARED and difference.is_problem]

    def to_json(self) -> dict[str, Any]:
        """Plain types for `json`; `from_json` reads them back."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist(), "groups": self.groups}

    @classmethod
    def from_json(cls, content: Any) -> "Reference":
        """Read what `to_json` returned.

        Raises:
            ValueError, KeyError, TypeError: the content is something else.
        """
        mean, deviation = (np.array(content[name], np.float64) for name in ("mean", "deviation"))
        if mean.shape != (len(shift.FEATURES),) or deviation.shape != mean.shape or type(content["groups"]) is not int:
            raise ValueError("other numbers than those of the training images")
        return cls(mean, deviation, content["groups"])
