"""Choose the rules of post-processing, on validation images only.

    space = search_space(options, classes, (height, width))
    counts = [count(prediction, true, space) for …]         # one small table per image
    rules = search.choose(counts, space)                    # for images that are not among these
    parts = search.split(samples, 5, seed)
    honest = search.crossfit(counts, parts, space)          # for the images of each part, chosen on the other parts

Every class is searched by itself: a pixel belongs to a class where no other class is more probable. Post-processing
goes one step further and gives a pixel to the second most probable class where the most probable one is not allowed.
The search leaves this out; classes that hardly overlap lose nothing by it. For a single class, and for classes that may
overlap, the search is exact.

What is maximised is the competition's metric (see `stages.scoring.metric`), of each class by itself. For a mean over
images and classes that is the whole. Where classes are scored together (see `stages.postprocessing.together`), these
rules are the start of a coordinate ascent: one class after the other is searched again, with the rules of the others as
they are, until a round no longer raises the score of all. It may end in a local maximum. Where the metric joins classes
whose predicted masks overlap, their counts do not tell the joined score; there each class keeps the rules of its own.

Mean Dice alone would empty a class that few images have: every false positive on a clean image costs 1, every lost mask
costs only its Dice. Therefore a share of the positive Dice without post-processing has to remain, and a class that no
image has is left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.dataset import folds
from stages.dataset.layout import Metric
from stages.dataset.prepared import Sample
from stages.pipeline.arrays import Bool, Float64, Int64
from stages.postprocessing import together
from stages.postprocessing.counts import ImageCounts
from stages.postprocessing.prediction import HALF
from stages.postprocessing.rules import Rule, Rules, plain
from stages.postprocessing.search_space import SearchSpace
from stages.scoring.dice import dice
from stages.scoring.metric import pair_scores, separable

GATES = 40  # how many are tried at most
TIE = 1e-9  # smaller differences of the score are rounding errors


def choose(images: Sequence[ImageCounts], space: SearchSpace) -> Rules:
    """The rules with the best score by `space.metric` on these images, class by class, or of classes scored together.

    A plateau is safer than a peak: the score of each setting is averaged with those of its neighbours in the grid
    (1/4, 1/2, 1/4 along each of the four axes) before the best is taken. Ties go to the mildest setting: the smallest
    gate, then min_area, then min_component, then the threshold nearest to 128. Settings that leave less than
    `space.min_positive_dice_ratio` of the positive Dice of the mildest setting are excluded. If no image has the class,
    all settings but the mildest are.

    Args:
        images: the counts of at least one image.
        space: the search space that they were counted for.
    """
    rules = tuple(_choose(images, space, index) for index in range(len(space.thresholds)))
    if together.needed(space):
        rules = _ascend(images, space, rules)
    return Rules(space.gate, rules, space.factors, space.softmax, space.overlapping)


def fit(
    samples: Sequence[Sample], images: Sequence[ImageCounts], space: SearchSpace, parts: int, seed: int
) -> tuple[Rules, list[tuple[list[str], Rules]]]:
    """Choose rules on all images, and cross-fitted rules for the images themselves.

    Args:
        samples: the validation images.
        images: their counts, in the same order.
        space: the search space that they were counted for.
        parts, seed: as for `split`.

    Returns:
        The rules for other images; and for each part of the samples its names and the rules chosen on the other parts.
    """
    part_of = split(samples, parts, seed)
    crossed = crossfit(images, part_of, space)
    names = [
        [sample.image for sample, own in zip(samples, part_of, strict=True) if own == part]
        for part in range(len(crossed))
    ]
    return choose(images, space), list(zip(names, crossed, strict=True))


def split(samples: Sequence[Sample], parts: int, seed: int) -> Int64:
    """Split images into parts for `crossfit`: near-duplicates together, classes spread evenly.

    Returns:
        int64 (images,): the part of each image, from 0. There are fewer than `parts` parts if there are fewer groups of
        near-duplicates.
    """
    groups = np.array([sample.group for sample in samples], np.int64)
    parts = min(parts, len(np.unique(groups)))
    if parts < 2:
        return np.zeros(len(samples), np.int64)
    assigned = folds.assign(np.array([sample.pixels for sample in samples], np.int64), groups, parts, seed)
    return np.unique(assigned, return_inverse=True)[1].astype(np.int64)  # leaves out parts without an image


def crossfit(images: Sequence[ImageCounts], parts: Int64, space: SearchSpace) -> list[Rules]:
    """Rules for each part, chosen on the images of all other parts. A single part gets plain rules."""
    if not parts.any():
        return [plain(len(space.thresholds), space.overlapping)]
    return [
        choose([image for image, other in zip(images, parts.tolist(), strict=True) if other != part], space)
        for part in range(int(parts.max()) + 1)
    ]


def setting_scores(
    images: Sequence[ImageCounts], space: SearchSpace, index: int, gates: Sequence[int], rest: Int64 | None = None
) -> Float64:
    """The score of one class, or of all classes together, by `space.metric` at every setting of the class.

    A mask is kept if its area reaches min_area and its score reaches the gate, else emptied. So a mean over images is
    that of all masks emptied, plus the gain of each kept mask. Global Dice needs the pixels of the kept masks alone.

    Args:
        index: ClassId - 1.
        gates: ascending, from 0, or a single value.
        rest: what the other classes contribute, as `together.rest` returns it; None: the class is scored by itself.

    Returns:
        float64 (thresholds, min_components, min_areas, gates).
    """
    predicted = np.stack([image.predicted[index] for image in images]).astype(np.int64)  # (images, …, …)
    counted = [image.hits if rest is None else image.counted_hits for image in images]
    hits = np.stack([each[index] for each in counted]).astype(np.int64)
    true = np.array([image.true[index] for image in images])[:, np.newaxis, np.newaxis]
    others = np.zeros((3, 1), np.int64) if rest is None else rest
    more_hits, more_true, more_predicted = others[..., np.newaxis, np.newaxis]
    scores = np.array([image.scores[index] for image in images])[:, np.newaxis, np.newaxis]
    bins = _Bins.of(predicted, scores, space.min_areas[index], gates)
    if not separable(space.metric):
        right, found = (bins.kept(pixels).astype(np.int64) for pixels in (hits, predicted))
        return dice(right + more_hits.sum(), true.sum() + more_true.sum(), found + more_predicted.sum())
    true = true + more_true
    emptied = pair_scores(space.metric, more_hits, true, more_predicted)
    gains = pair_scores(space.metric, hits + more_hits, true, predicted + more_predicted) - emptied
    means: Float64 = (emptied.sum() + bins.kept(gains)) / len(images)
    return means


@dataclass(frozen=True)
class _Bins:
    """Masks sorted by setting, area and gate score, so that sums over the kept ones take one pass.

    Attributes:
        numbers: the bin of each mask, (images, thresholds, min_components).
        shape: thresholds, min_components, 1 + min_areas, 1 + gates. Bin 0 of the last two is below every value: such a
            mask is emptied at all of them.
    """

    numbers: Int64
    shape: tuple[int, ...]

    @classmethod
    def of(cls, predicted: Int64, scores: Int64, areas: Sequence[int], gates: Sequence[int]) -> "_Bins":
        """Sort masks of these pixels (images, thresholds, min_components) and scores (images, 1, 1)."""
        shape = *predicted.shape[1:], len(areas) + 1, len(gates) + 1
        setting = np.arange(shape[0] * shape[1]).reshape(shape[:2])
        area = np.searchsorted(areas, predicted, side="right")
        opened = np.searchsorted(gates, scores, side="right")
        return cls((setting * shape[2] + area) * shape[3] + opened, shape)

    def kept(self, values: Float64 | Int64) -> Float64:
        """Sums of a value of each mask over those that are kept, (thresholds, min_components, min_areas, gates)."""
        size = int(np.prod(self.shape))
        sums = np.bincount(self.numbers.reshape(-1), values.reshape(-1), minlength=size).reshape(self.shape)
        return np.asarray(sums[..., ::-1, ::-1].cumsum(axis=2).cumsum(axis=3)[..., ::-1, ::-1][..., 1:, 1:])


def _ascend(images: Sequence[ImageCounts], space: SearchSpace, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Better rules for classes that are scored together, from these on."""
    best = together.figure(images, space, rules)
    while True:
        found = list(rules)
        for index in range(len(found)):
            found[index] = _choose(images, space, index, together.rest(images, space, found, index))
        value = together.figure(images, space, found)
        if value <= best + TIE:
            return rules
        rules, best = tuple(found), value


def _choose(images: Sequence[ImageCounts], space: SearchSpace, index: int, rest: Int64 | None = None) -> Rule:
    """The rule of one class; `rest` as for `setting_scores`."""
    gates = space.gates[index] if space.gates else _gates(images, index)
    means = setting_scores(images, space, index, gates, rest)
    admitted = _admitted(images, space, index, gates)
    means[~admitted] = means[admitted].min()  # as neighbours
    for axis in range(means.ndim):
        means = _smooth(means, axis)
    means[~admitted] = -1
    threshold, component, area, gate = np.nonzero(means >= means.max() - TIE)
    levels = np.array(space.thresholds[index])[threshold]
    best = np.lexsort((levels, np.abs(levels - HALF), component, area, gate))[0]  # the last key is the first criterion
    return Rule(
        threshold=int(levels[best]),
        gate=gates[gate[best]],
        min_area=space.min_areas[index][area[best]],
        min_component=space.min_components[index][component[best]],
    )


def _admitted(images: Sequence[ImageCounts], space: SearchSpace, index: int, gates: Sequence[int]) -> Bool:
    """For each setting whether it leaves enough of the positive Dice, in the shape of `setting_scores`."""
    shape = len(space.thresholds[index]), len(space.min_components[index]), len(space.min_areas[index]), len(gates)
    mildest = int(np.argmin(np.abs(np.array(space.thresholds[index]) - HALF))), 0, 0, 0
    positive = [image for image in images if image.true[index]]
    if positive:
        means = setting_scores(positive, replace(space, metric=Metric("mean_dice")), index, gates)
        return np.asarray(means >= space.min_positive_dice_ratio * means[mildest] - TIE)
    alone = np.zeros(shape, np.bool_)
    alone[mildest] = True
    return alone


def _smooth(values: Float64, axis: int) -> Float64:
    """Mean with both neighbours along an axis, the value itself counted twice; edges are repeated outside."""
    padded = np.pad(values, [(int(axis == other),) * 2 for other in range(values.ndim)], mode="edge")
    below, above = (np.take(padded, np.arange(values.shape[axis]) + shift, axis) for shift in (0, 2))
    return np.asarray((below + 2 * values + above) / 4)


def _gates(images: Sequence[ImageCounts], index: int) -> tuple[int, ...]:
    """0, and scores of images with a predicted mask of the class, evenly spaced in rank."""
    seen = [int(image.scores[index]) for image in images if image.predicted[index].any()]
    if not seen:
        return (0,)
    ranks = np.linspace(0, 1, GATES - 1)
    return tuple(sorted({0, *np.quantile(seen, ranks, method="nearest").astype(int).tolist()}))
