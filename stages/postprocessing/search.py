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

With the objective find_defects no score is maximised. A class is found in an image if its mask there overlaps the true
one. Recall is the share of the images with the class in which it is found, precision the share of the images with a
predicted mask in which it is found: a mask on a clean image is a false alarm, and so is one beside the defect. Of the
settings with at least `min_precision` those with the highest recall are admitted, and of these the best is the one with
the highest Dice where there is a mask. If no setting has that precision, the highest precision is asked for instead
(see `unreached`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stages.dataset import folds
from stages.dataset.layout import Metric
from stages.dataset.prepared import Sample
from stages.pipeline.arrays import Bool, Float64, Int64
from stages.postprocessing import every_setting, together
from stages.postprocessing.counts import ImageCounts
from stages.postprocessing.prediction import HALF
from stages.postprocessing.rules import Rule, Rules, plain
from stages.postprocessing.search_space import SearchSpace

GATES = 40  # how many are tried at most
TIE = 1e-9  # smaller differences of the score are rounding errors


def choose(images: Sequence[ImageCounts], space: SearchSpace) -> Rules:
    """The rules that are best on these images by `space.objective`, class by class, or of classes scored together.

    A plateau is safer than a peak: the score of each setting is averaged with those of its neighbours in the grid
    (1/4, 1/2, 1/4 along each axis) before the best is taken. Ties go to the mildest setting: the smallest gate, then
    veto, then min_area, then min_component, then the threshold nearest to 128. Settings that leave less than
    `space.min_positive_dice_ratio` of the positive Dice of the mildest setting are excluded, or with the objective
    find_defects those that find less. If no image has the class, all settings but the mildest are.

    Args:
        images: the counts of at least one image.
        space: the search space that they were counted for.
    """
    rules = tuple(_choose(images, space, index) for index in range(len(space.thresholds)))
    if together.needed(space):
        rules = _ascend(images, space, rules)
    return Rules(space.gate, rules, space.factors, space.softmax, space.overlapping, space.one_class)


def unreached(images: Sequence[ImageCounts], space: SearchSpace) -> list[float | None]:
    """For each class the highest precision of any setting, if that is less than `space.min_precision`; else None.

    Only with the objective find_defects, and only for classes that an image has. 0 if there is no mask at any setting.
    """
    highest: list[float | None] = [None] * len(space.thresholds)
    for index in range(len(highest)) if space.objective == "find_defects" else ():
        best = float(_found(images, space, index)[1].max())
        if best < space.min_precision - TIE and any(image.true[index] for image in images):
            highest[index] = max(best, 0.0)
    return highest


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
    """The rule of one class; `rest` as for `every_setting.scores`."""
    gates = _gates(images, space, index)
    if space.objective == "find_defects":
        means, admitted = _positive_dice(images, space, index), _most_found(images, space, index)
    else:
        means, admitted = every_setting.scores(images, space, index, gates, rest), _admitted(images, space, index)
    means[~admitted] = means[admitted].min()  # as neighbours
    for axis in range(means.ndim):
        means = _smooth(means, axis)
    means[~admitted] = -1
    threshold, component, area, gate, veto = np.nonzero(means >= means.max() - TIE)
    levels = np.array(space.thresholds[index])[threshold]
    order = levels, np.abs(levels - HALF), component, area, veto, gate  # the last key is the first criterion
    best = np.lexsort(order)[0]
    return Rule(
        threshold=int(levels[best]),
        gate=gates[gate[best]],
        min_area=space.min_areas[index][area[best]],
        min_component=space.min_components[index][component[best]],
        veto=space.vetoes_of(index)[veto[best]],
    )


def _admitted(images: Sequence[ImageCounts], space: SearchSpace, index: int) -> Bool:
    """For each setting whether it leaves enough of the positive Dice, in the shape of `every_setting.scores`."""
    if not any(image.true[index] for image in images):
        return _mildest_alone(images, space, index)
    means = _positive_dice(images, space, index)
    return np.asarray(means >= space.min_positive_dice_ratio * means[_mildest(space, index)] - TIE)


def _most_found(images: Sequence[ImageCounts], space: SearchSpace, index: int) -> Bool:
    """For each setting whether it finds the class in the most images, of those that reach the precision; same shape."""
    if not any(image.true[index] for image in images):
        return _mildest_alone(images, space, index)
    found, precision = _found(images, space, index)
    reached = precision >= min(space.min_precision, precision.max()) - TIE
    return np.asarray(reached & (found == found[reached].max()))


def _found(images: Sequence[ImageCounts], space: SearchSpace, index: int) -> tuple[Int64, Float64]:
    """For each setting the images in which the class is found, and the precision; -1 where there is no mask at all."""
    found, alarms = every_setting.detections(images, space, index, _gates(images, space, index))
    return found, np.divide(found, alarms, out=np.full(found.shape, -1.0), where=alarms > 0)


def _positive_dice(images: Sequence[ImageCounts], space: SearchSpace, index: int) -> Float64:
    """Mean Dice over the images that have the class at every setting; over all images if none has it."""
    positive = [image for image in images if image.true[index]] or images
    dice = replace(space, metric=Metric("mean_dice"))
    return every_setting.scores(positive, dice, index, _gates(images, space, index))


def _mildest(space: SearchSpace, index: int) -> tuple[int, ...]:
    """Where the mildest setting stands."""
    return int(np.argmin(np.abs(np.array(space.thresholds[index]) - HALF))), 0, 0, 0, 0


def _mildest_alone(images: Sequence[ImageCounts], space: SearchSpace, index: int) -> Bool:
    """True for the mildest setting alone."""
    grids = space.thresholds, space.min_components, space.min_areas
    sizes = *(len(grid[index]) for grid in grids), len(_gates(images, space, index)), len(space.vetoes_of(index))
    alone = np.zeros(sizes, np.bool_)
    alone[_mildest(space, index)] = True
    return alone


def _smooth(values: Float64, axis: int) -> Float64:
    """Mean with both neighbours along an axis, the value itself counted twice; edges are repeated outside."""
    padded = np.pad(values, [(int(axis == other),) * 2 for other in range(values.ndim)], mode="edge")
    below, above = (np.take(padded, np.arange(values.shape[axis]) + shift, axis) for shift in (0, 2))
    return np.asarray((below + 2 * values + above) / 4)


def _gates(images: Sequence[ImageCounts], space: SearchSpace, index: int) -> tuple[int, ...]:
    """The gates to try: those of the space, or 0 and scores of images with a predicted mask, evenly spaced in rank."""
    if space.gates:
        return space.gates[index]
    seen = [int(image.scores[index]) for image in images if image.predicted[index].any()]
    if not seen:
        return (0,)
    ranks = np.linspace(0, 1, GATES - 1)
    return tuple(sorted({0, *np.quantile(seen, ranks, method="nearest").astype(int).tolist()}))
