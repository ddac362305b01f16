"""Rules of classes that are scored together, chosen on validation images."""

from dataclasses import replace

import numpy as np
import pytest

from stages.dataset.layout import Metric
from stages.postprocessing import every_setting, search, together
from stages.postprocessing.counts import ImageCounts, count
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rule, Rules, label_map
from stages.postprocessing.search_space import SearchSpace
from stages.scoring import metric as metrics

SIZE = 8, 8
JOINED, GLOBAL = Metric("mean_dice", joined=True), Metric("global_dice")
FIXED = SearchSpace("none", None, True, ((128,),) * 2, ((0,),) * 2, ((0,),) * 2, ((0,),) * 2, 0, JOINED)

Rectangle = tuple[int, int, int]  # class, height and width, from the upper left corner
Image = tuple[Prediction, np.ndarray]


def image(predicted: Rectangle | None, true: Rectangle | None) -> Image:
    """An image of two classes with one predicted and one true mask."""
    pixels, labels = np.zeros((*SIZE, 2), np.uint8), np.zeros(SIZE, np.uint8)
    if predicted:
        pixels[: predicted[1], : predicted[2], predicted[0] - 1] = 255
    if true:
        labels[: true[1], : true[2]] = true[0]
    return Prediction(pixels, np.full(2, 255, np.uint8)), labels


def counted(images: list[Image], space: SearchSpace) -> list[ImageCounts]:
    """The counts of images."""
    return [count(prediction, true, space) for prediction, true in images]


def test_a_mask_of_the_wrong_class_is_kept_where_classes_are_joined() -> None:
    """A 3×3 mask is right but for its class. By class it is a false positive that a smallest area removes.

    By class 1 alone: Dice 0 and 1, or 1 and 1 without the small mask. Joined: 1 and 1, or 0 and 1.
    """
    images = [image((1, 3, 3), (2, 3, 3)), image((1, 5, 5), (1, 5, 5))]
    space = replace(FIXED, min_areas=((0, 10), (0,)))
    alone = replace(space, metric=Metric())
    assert search.choose(counted(images, alone), alone).rules[0].min_area == 10
    counts = counted(images, space)
    (first, second) = search.choose(counts, space).rules
    assert (first.min_area, second.min_area) == (0, 0)
    assert together.figure(counts, space, (first, second)) == 1
    assert together.figure(counts, space, (replace(first, min_area=10), second)) == 0.5


def test_global_dice_of_two_classes_is_one_sum() -> None:
    """Class 1: 8 pixels are predicted, 2 of them are right. Class 2: 64 pixels, all right.

    Class 1 alone: 2·2/(2 + 8) with its mask, 0 without. Together: 132/138 with it, 128/130 without.
    """
    images = [image((1, 2, 4), (1, 1, 2)), image((2, 8, 8), (2, 8, 8))]
    space = replace(FIXED, min_areas=((0, 10), (0,)), metric=GLOBAL)
    counts = counted(images, space)
    assert every_setting.scores(counts, space, 0, (0,)).reshape(-1).tolist() == [0.4, 0]
    rest = together.rest(counts, space, [Rule(128, 0, 0, 0)] * 2, 0)
    assert rest.tolist() == [[0, 64], [0, 64], [0, 64]]
    assert every_setting.scores(counts, space, 0, (0,), rest).reshape(-1).tolist() == [132 / 138, 128 / 130]
    rules = search.choose(counts, space).rules
    assert [rule.min_area for rule in rules] == [10, 0]
    assert together.figure(counts, space, rules) == 128 / 130


def noise(seed: int) -> list[Image]:
    """Images with blurred noise, class 1 on the left and class 2 on the right; true classes stand in stripes."""
    generator = np.random.default_rng(seed)
    images = []
    for number in range(9):
        coarse = generator.integers(0, 256, (4, 4)).repeat(2, axis=0).repeat(2, axis=1)
        levels = (coarse + generator.integers(0, 256, SIZE)) // 2 // (1 + number % 2)
        pixels = np.zeros((*SIZE, 2), np.uint8)
        pixels[:, :4, 0], pixels[:, 4:, 1] = levels[:, :4], levels[:, 4:]
        stripes = 1 + np.arange(8) // 2 % 2
        true = np.where((coarse > 150) & (number % 3 > 0), stripes, 0).astype(np.uint8)
        images.append((Prediction(pixels, np.full(2, 255, np.uint8)), true))
    return images


SEARCHED = replace(
    FIXED, gate="max", thresholds=((64, 128, 200),) * 2, min_components=((0, 4),) * 2, min_areas=((0, 6, 24),) * 2,
    gates=((0, 110, 180),) * 2,
)  # fmt: skip


def directly(images: list[Image], rules: Rules, metric: Metric) -> float | None:
    """The score of the label maps that post-processing makes."""
    pairs = [(true, label_map(prediction, rules)) for prediction, true in images]
    masks = [
        (true > 0, found > 0) if metric.joined else (true == class_id, found == class_id)
        for true, found in pairs
        for class_id in ((0,) if metric.joined else (1, 2))
    ]
    counts = np.array([[(true & found).sum(), true.sum(), found.sum()] for true, found in masks])
    return metrics.score(metric, *counts.T[..., np.newaxis])


@pytest.mark.parametrize("metric", [JOINED, Metric("mean_dice", 0, joined=True), GLOBAL, replace(GLOBAL, joined=True)])
def test_settings_have_the_score_of_all_classes(metric: Metric) -> None:
    """Every setting of either class beside a fixed one of the other: the score of the label maps."""
    images, space = noise(5), replace(SEARCHED, metric=metric)
    counts, other = counted(images, space), Rule(128, 110, 6, 4)
    for index in range(2):
        rest = together.rest(counts, space, [other, other], index)
        scores = every_setting.scores(counts, space, index, (0, 110, 180), rest)
        for place in np.ndindex(scores.shape):
            threshold, component, area, gate, _ = place
            rule = Rule((64, 128, 200)[threshold], (0, 110, 180)[gate], (0, 6, 24)[area], (0, 4)[component])
            both = (rule, other) if index == 0 else (other, rule)
            expected = directly(images, Rules("max", both), metric)
            assert scores[place] == pytest.approx(expected)
            assert together.figure(counts, space, both) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [JOINED, GLOBAL])
def test_the_ascent_never_lowers_the_score(metric: Metric) -> None:
    """It starts from the rules of each class by itself; with some images it gains."""
    gains = []
    for seed in range(12):
        space = replace(SEARCHED, metric=metric)
        counts = counted(noise(seed), space)
        start = [search._choose(counts, space, index) for index in range(2)]
        chosen = search.choose(counts, space).rules
        gains.append(together.figure(counts, space, chosen) - together.figure(counts, space, start))
    assert min(gains) >= 0
    assert max(gains) > 0.01


def test_joined_counts_by_hand() -> None:
    """Three pixels: pit and line are both true on the first, the line on the second; three pits are predicted."""
    prediction = Prediction(np.array([[[200, 0]] * 3], np.uint8), np.full(2, 255, np.uint8))
    counts = count(prediction, np.array([[[1, 1], [0, 1], [0, 0]]], np.uint8), FIXED)
    assert counts.joined_hits is not None
    assert counts.joined_hits.reshape(-1).tolist() == [2, 0]
    assert (counts.hits.reshape(-1).tolist(), counts.true.tolist(), counts.joined_true) == ([1, 0], [1, 2], 2)


def test_what_cannot_be_joined_is_searched_class_by_class() -> None:
    """Predicted masks that overlap, and means over pairs; a single class needs nothing else."""
    one = replace(FIXED, thresholds=((128,),), metric=GLOBAL)
    for space, needed in (
        (FIXED, True),
        (replace(FIXED, metric=GLOBAL), True),
        (replace(FIXED, metric=GLOBAL, overlapping=True), True),
        (replace(FIXED, overlapping=True), False),
        (replace(FIXED, metric=replace(GLOBAL, joined=True), overlapping=True), False),
        (replace(FIXED, metric=Metric("mean_dice", 0)), False),
        (one, False),
    ):
        assert together.needed(space) == needed
