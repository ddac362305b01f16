"""The search of post-processing by any metric of a competition, and of classes that overlap."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from stages.dataset import label_maps
from stages.dataset.layout import Metric
from stages.postprocessing import every_setting, search
from stages.postprocessing.counts import count
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Gate, Rule, Rules, label_map, plain
from stages.postprocessing.search_space import SearchSpace, search_space
from tests.support.searches import SMALL, TWO, Image, counted, image, noise, only, options


def directly(metric: Metric, pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The score of true and predicted masks of one class, from the definitions, mask by mask."""
    if metric.name == "global_dice":
        true, found = (np.stack(masks) for masks in zip(*pairs, strict=True))
        return 2 * (true & found).sum() / (true.sum() + found.sum())
    values = []
    for true, found in pairs:
        both, either = (true & found).sum(), (true | found).sum()
        if not either:
            values.append(metric.empty_pair)
        elif metric.name == "mean_dice":
            values.append(2 * both / (both + either))
        else:
            values.append(sum(20 * both > step * either for step in range(10, 20)) / 10)
    return float(np.mean(values))


METRICS = [
    Metric("mean_dice"), Metric("mean_dice", 0), Metric("mean_dice", 0.25), Metric("global_dice"),
    Metric("iou_thresholds"), Metric("iou_thresholds", 0),
]  # fmt: skip


@pytest.mark.parametrize("gate", ["none", "max"])
@pytest.mark.parametrize("metric", METRICS)
def test_the_search_finds_the_best_by_any_metric(metric: Metric, gate: Gate) -> None:
    """Every setting is scored by its label maps; of these scores, averaged with their neighbours, the best is taken."""
    gates = {"none": (0,), "max": (0, 110, 180)}[gate]
    space = replace(SMALL, gate=gate, min_areas=((0, 6, 24),), gates=(gates,), metric=metric)
    grids = space.thresholds[0], space.min_components[0], space.min_areas[0], gates
    images = [case for seed in (5, 6) for case in noise(seed)]
    scores, settings = np.empty([len(values) for values in grids]), itertools.product(*grids)
    for place, (threshold, component, area, closed) in zip(np.ndindex(scores.shape), settings, strict=True):
        rules = Rules(gate, (Rule(threshold, closed, area, component),))
        scores[place] = directly(metric, [(true == 1, label_map(found, rules) == 1) for found, true in images])
    counts = counted(images, space)
    assert every_setting.scores(counts, space, 0, gates) == pytest.approx(scores[..., np.newaxis])
    even = evened_out(scores)
    (rule,) = search.choose(counts, space).rules
    chosen = rule.threshold, rule.min_component, rule.min_area, rule.gate
    assert even[tuple(values.index(value) for values, value in zip(grids, chosen, strict=True))] == pytest.approx(
        even.max()
    )


def evened_out(scores: np.ndarray) -> np.ndarray:
    """Each score averaged with its neighbours, 1/4, 1/2, 1/4 along each axis; edges are repeated outside."""
    result = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        for steps in itertools.product((-1, 0, 1), repeat=scores.ndim):
            other = tuple(np.clip(np.add(place, steps), 0, np.array(scores.shape) - 1))
            result[place] += scores[other] * np.prod([0.5 if step == 0 else 0.25 for step in steps])
    return result


def test_emptying_clean_images_is_worth_what_the_metric_says() -> None:
    """Clean images with a small false positive, and a smaller true mask: 1 for emptying them, or nothing.

    Mean Dice gives the true mask up for six clean images. Where empty pairs count 0 that gains nothing.
    """
    images = [image((255, 0, 3, 0, 3))] * 6 + [image((255, 0, 2, 0, 2), true=(0, 2, 0, 2))]
    space = only(SMALL, min_areas=(0, 20))
    areas = [
        search.choose(counted(images, space), replace(space, metric=metric)).rules[0].min_area
        for metric in (Metric("mean_dice"), Metric("mean_dice", 0))
    ]
    assert areas == [20, 0]


def test_global_dice_weighs_pixels() -> None:
    """Seven small false positives count less than the pixels of one mask that is as small, and mean Dice counts images.

    2·4 / (4 + 4 + 7·1) = 8/15 with all masks; a smallest area of 5 leaves none.
    """
    images = [image((255, 0, 1, 0, 1))] * 7 + [image((255, 0, 2, 0, 2), true=(0, 2, 0, 2))]
    space = replace(only(SMALL, min_areas=(0, 5)), metric=Metric("global_dice"))
    scores = every_setting.scores(counted(images, space), space, 0, (0,))
    assert scores.reshape(-1).tolist() == [8 / 15, 0]
    assert search.choose(counted(images, space), space).rules[0].min_area == 0


def test_no_pixel_anywhere_by_global_dice() -> None:
    """The score is undefined; the mildest setting is taken."""
    space = replace(SMALL, metric=Metric("global_dice"))
    assert search.choose(counted([image(), image()]), space).rules == (Rule(128, 0, 0, 0),)


@pytest.mark.parametrize("metric", METRICS)
def test_the_floor_is_about_dice(metric: Metric) -> None:
    """Whatever is maximised: a minimum of 5 pixels leaves 1/2 of a positive Dice of 5/6."""
    clean = [image((255, 0, 2, 0, 2)), image((255, 0, 4, 0, 4))] * 3
    defects = [image((255, 0, 3, 0, 3), true=(0, 3, 0, 3)), image((255, 0, 2, 0, 2), true=(0, 2, 0, 4))]
    space = replace(only(SMALL, min_areas=(0, 5, 20)), metric=metric, min_positive_dice_ratio=0.61)
    assert search.choose(counted(clean + defects, space), space).rules[0].min_area == 0


def overlapping(*levels: np.ndarray, true: np.ndarray) -> Image:
    """An image of classes that overlap, from the levels of each, with true planes."""
    return Prediction(np.stack(levels, axis=-1).astype(np.uint8), np.full(len(levels), 255, np.uint8)), true


def test_overlapping_classes_are_counted_by_themselves() -> None:
    """Three pixels: both classes are predicted in the middle, and both are true there."""
    true = np.array([[[1, 0], [1, 1], [0, 1]]], np.uint8)
    prediction, _ = overlapping(np.array([[200, 200, 0]]), np.array([[0, 150, 150]]), true=true)
    given = options(thresholds=(100, 100), min_components=(0, 0))
    both, one = (search_space(given, replace(TWO, overlapping=flag), (1, 3)) for flag in (True, False))
    counts = count(prediction, true, both)
    assert [counts.predicted.reshape(-1).tolist(), counts.hits.reshape(-1).tolist()] == [[2, 2], [2, 2]]
    assert counts.true.tolist() == [2, 2]
    exclusive = count(prediction, true, one)  # planes are the truth of classes that must not overlap
    assert [exclusive.predicted.reshape(-1).tolist(), exclusive.hits.reshape(-1).tolist()] == [[2, 1], [2, 1]]
    assert exclusive.true.tolist() == [2, 2]


@pytest.mark.parametrize("metric", [Metric("mean_dice"), Metric("global_dice")])
def test_the_search_of_overlapping_classes_is_exact(metric: Metric) -> None:
    """Two classes of noise, drawn by themselves: every setting's score is that of the planes of post-processing."""
    cases = []
    for (first, first_true), (second, second_true) in zip(noise(1), noise(2), strict=True):
        planes = np.stack([first_true, second_true], axis=-1)
        cases.append(overlapping(first.pixels[..., 0], second.pixels[..., 0], true=planes))
    grid = ((64, 128, 200),) * 2, ((0, 2, 4),) * 2, ((0, 3, 6),) * 2, ((0, 110),) * 2
    space = SearchSpace("max", None, False, *grid, 0, metric, overlapping=True)
    counts = counted(cases, space)
    for index in range(2):
        scores = every_setting.scores(counts, space, index, (0, 110)).reshape(-1)
        settings = itertools.product(*(values[index] for values in grid))
        for score, (threshold, component, area, gate) in zip(scores, settings, strict=True):
            rules = Rules("max", (Rule(threshold, gate, area, component),) * 2, None, False, overlapping=True)
            pairs = [
                (label_maps.of_class(true, index + 1), label_maps.of_class(label_map(found, rules), index + 1))
                for found, true in cases
            ]
            assert score == pytest.approx(directly(metric, pairs))
    assert search.choose(counts, space).overlapping
    assert search.crossfit(counts, np.zeros(len(cases), np.int64), space) == [plain(2, overlapping=True)]
