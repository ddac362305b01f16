"""Classes that are scored together: what the other classes contribute while one is searched.

Global Dice adds up the pixels of all classes, and some competitions join the masks of all classes before they score
them. The best setting of one class then depends on those of the others.
"""

from collections.abc import Sequence

import numpy as np

from stages.pipeline.arrays import Int64
from stages.postprocessing.counts import ImageCounts
from stages.postprocessing.rules import Rule, weighed
from stages.postprocessing.search_space import SearchSpace
from stages.scoring.metric import score, separable


def needed(space: SearchSpace) -> bool:
    """Whether the score of one class's setting depends on the others, and the counts tell how."""
    if len(space.thresholds) == 1 or space.objective == "find_defects":
        return False
    return space.counts_joined if space.metric.joined else not separable(space.metric)


def rest(images: Sequence[ImageCounts], space: SearchSpace, rules: Sequence[Rule], index: int) -> Int64:
    """What the other classes contribute at these rules.

    Args:
        images: the counts.
        space: the search space that they were counted for; its metric is one for which this is `needed`.
        rules: one per class, with values of the search space.
        index: ClassId - 1 of the class that is left out.

    Returns:
        int64 (3, images): pixels in both masks, in the true masks and in the predicted masks.
    """
    hits, true, predicted = _pixels(images, space, rules)
    own = np.array([image.true[index] for image in images])
    others = np.arange(len(rules)) != index
    return np.stack([hits[:, others].sum(axis=1), true - own, predicted[:, others].sum(axis=1)])


def figure(images: Sequence[ImageCounts], space: SearchSpace, rules: Sequence[Rule]) -> float:
    """The score of all classes at these rules, by `space.metric`; 0 if it is undefined. Arguments as for `rest`."""
    hits, true, predicted = _pixels(images, space, rules)
    counts = hits.sum(axis=1), true, predicted.sum(axis=1)
    return score(space.metric, *(pixels[:, np.newaxis] for pixels in counts)) or 0.0


def _pixels(images: Sequence[ImageCounts], space: SearchSpace, rules: Sequence[Rule]) -> tuple[Int64, Int64, Int64]:
    """Hits (images, classes), true pixels (images,) and predicted pixels (images, classes) at these rules."""
    hits, predicted = np.zeros((2, len(images), len(rules)), np.int64)
    for index, rule in enumerate(rules):
        place = (
            index,
            space.thresholds[index].index(rule.threshold),
            space.min_components[index].index(rule.min_component),
        )
        found = np.array([image.predicted[place] for image in images], np.int64)
        right = np.array([image.counted_hits[place] for image in images], np.int64)
        scores = np.array([image.scores[index] for image in images])
        presence = np.array([image.presence[index] for image in images])
        kept = (weighed(found, presence, rule.veto) >= rule.min_area) & (scores >= rule.gate)
        hits[:, index], predicted[:, index] = right * kept, found * kept
    return hits, np.array([image.counted_true for image in images], np.int64), predicted
