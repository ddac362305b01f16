"""What every setting of one class gives on validation images: its score, and the images in which it finds the class.

A setting is a value for each of threshold, min_component, min_area, gate and veto: the axes of what is returned, in
this order. A mask is kept if its area, weighed by the veto, reaches min_area and its score reaches the gate, else it is
emptied. So whatever is a sum over masks is a sum over the kept ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stages.pipeline.arrays import Float64, Int64
from stages.postprocessing.counts import ImageCounts
from stages.postprocessing.rules import weighed
from stages.postprocessing.search_space import SearchSpace
from stages.scoring.dice import dice
from stages.scoring.metric import pair_scores, separable


def scores(
    images: Sequence[ImageCounts], space: SearchSpace, index: int, gates: Sequence[int], rest: Int64 | None = None
) -> Float64:
    """The score of one class, or of all classes together, by `space.metric` at every setting of the class.

    A mean over images is that of all masks emptied, plus the gain of each kept mask. Global Dice needs the pixels of
    the kept masks alone.

    Args:
        index: ClassId - 1.
        gates: ascending, from 0, or a single value.
        rest: what the other classes contribute, as `together.rest` returns it; None: the class is scored by itself.

    Returns:
        float64 (thresholds, min_components, min_areas, gates, vetoes).
    """
    predicted, bins = _predicted(images, index), _Bins.of(images, space, index, gates)
    counted = [image.hits if rest is None else image.counted_hits for image in images]
    hits = np.stack([each[index] for each in counted]).astype(np.int64)
    true = _of_images(image.true[index] for image in images)
    others = np.zeros((3, 1), np.int64) if rest is None else rest
    more_hits, more_true, more_predicted = others[..., np.newaxis, np.newaxis]
    if not separable(space.metric):
        right, found = (bins.kept(pixels).astype(np.int64) for pixels in (hits, predicted))
        return dice(right + more_hits.sum(), true.sum() + more_true.sum(), found + more_predicted.sum())
    true = true + more_true
    emptied = pair_scores(space.metric, more_hits, true, more_predicted)
    gains = pair_scores(space.metric, hits + more_hits, true, predicted + more_predicted) - emptied
    means: Float64 = (emptied.sum() + bins.kept(gains)) / len(images)
    return means


def detections(
    images: Sequence[ImageCounts], space: SearchSpace, index: int, gates: Sequence[int]
) -> tuple[Int64, Int64]:
    """In how many images the mask of a class overlaps the true one, and in how many there is a mask; as for `scores`.

    Returns:
        Two arrays, int64 (thresholds, min_components, min_areas, gates, vetoes).
    """
    bins = _Bins.of(images, space, index, gates)
    hits = np.stack([image.hits[index] for image in images])
    found, alarms = (bins.kept((pixels > 0).astype(np.int64)) for pixels in (hits, _predicted(images, index)))
    return found.astype(np.int64), alarms.astype(np.int64)


def _predicted(images: Sequence[ImageCounts], index: int) -> Int64:
    """Predicted pixels, int64 (images, thresholds, min_components)."""
    return np.stack([image.predicted[index] for image in images]).astype(np.int64)


def _of_images(values: Iterable[npt.ArrayLike]) -> Int64:
    """A number of each image, int64 (images, 1, 1)."""
    return np.array(list(values), np.int64)[:, np.newaxis, np.newaxis]


@dataclass(frozen=True)
class _Bins:
    """Masks sorted by setting, area and gate score, so that sums over the kept ones take one pass for each veto.

    Attributes:
        numbers: for each veto the bin of each mask, (images, thresholds, min_components).
        shape: thresholds, min_components, 1 + min_areas, 1 + gates. Bin 0 of the last two is below every value: such a
            mask is emptied at all of them.
    """

    numbers: list[Int64]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, images: Sequence[ImageCounts], space: SearchSpace, index: int, gates: Sequence[int]) -> "_Bins":
        """Sort the masks of a class."""
        predicted, areas = _predicted(images, index), space.min_areas[index]
        score, presence = (
            _of_images(each[index] for each in values)
            for values in ([image.scores for image in images], [image.presence for image in images])
        )
        shape = *predicted.shape[1:], len(areas) + 1, len(gates) + 1
        setting = np.arange(shape[0] * shape[1]).reshape(shape[:2])
        opened = np.searchsorted(gates, score, side="right")
        numbers = []
        for veto in space.vetoes_of(index):
            area = np.searchsorted(areas, weighed(predicted, presence, veto), side="right")
            numbers.append((setting * shape[2] + area) * shape[3] + opened)
        return cls(numbers, shape)

    def kept(self, values: Float64 | Int64) -> Float64:
        """Sums of a value of each mask over those that are kept.

        Returns:
            float64 (thresholds, min_components, min_areas, gates, vetoes).
        """
        return np.stack([self._kept(numbers, values) for numbers in self.numbers], axis=-1)

    def _kept(self, numbers: Int64, values: Float64 | Int64) -> Float64:
        size = int(np.prod(self.shape))
        sums = np.bincount(numbers.reshape(-1), values.reshape(-1), minlength=size).reshape(self.shape)
        return np.asarray(sums[..., ::-1, ::-1].cumsum(axis=2).cumsum(axis=3)[..., ::-1, ::-1][..., 1:, 1:])
