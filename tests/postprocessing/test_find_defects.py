"""The search that finds as many images with a defect as it can at a stated precision."""

from dataclasses import replace

import numpy as np

from stages.dataset.layout import Metric
from stages.postprocessing import every_setting, search, together
from stages.postprocessing.rules import Rule
from stages.postprocessing.search_space import SearchSpace, search_space
from tests.support.searches import SIZE, SMALL, TWO, Image, counted, image, only, options

TRUE = 0, 3, 0, 3


def finding(min_precision: float, **searched: tuple[int, ...]) -> SearchSpace:
    """A search space in which everything is fixed but what is named."""
    return replace(only(SMALL, **searched), objective="find_defects", min_precision=min_precision)


def by_level() -> list[Image]:
    """Defects of levels 220, 180 and 140, and clean images with masks of levels 200, 160, 155, 150 and 145.

    From 220 on, 1 of 3 is found and 1 of 1 mask is right; from 180 on, 2 of 3 and 2 of 3; from 140 on, 3 of 3 and 3
    of 8.
    """
    defects = [image((level, *TRUE), true=TRUE) for level in (220, 180, 140)]
    return defects + [image((level, *TRUE)) for level in (200, 160, 155, 150, 145)]


def test_images_are_counted() -> None:
    """Found in 1, 2 and 3 images, of 1, 3 and 8 with a mask."""
    space = finding(0.5, thresholds=(140, 180, 220))
    found, alarms = every_setting.detections(counted(by_level(), space), space, 0, (0,))
    assert (found.reshape(-1).tolist(), alarms.reshape(-1).tolist()) == ([3, 2, 1], [8, 3, 1])


def test_the_highest_recall_at_the_precision_is_taken() -> None:
    """3/8, 2/3 and 1 are reached by thresholds 140, 180 and 220; each bound is inclusive."""
    chosen = {}
    for least in (0.375, 0.376, 2 / 3, 0.67, 1):
        space = finding(least, thresholds=(140, 180, 220))
        chosen[least] = search.choose(counted(by_level(), space), space).rules[0].threshold
    assert chosen == {0.375: 140, 0.376: 180, 2 / 3: 180, 0.67: 220, 1: 220}


def test_the_score_of_the_competition_does_not_matter() -> None:
    """Where mean Dice would empty eight clean images and one defect, the defect is found at precision 1/9."""
    images = [image((255, *TRUE), true=TRUE)] + [image((255, 0, 4, 0, 4))] * 8
    space = finding(0.1, min_areas=(0, 20))
    competition = replace(space, objective="competition")
    areas = [search.choose(counted(images, each), each).rules[0].min_area for each in (space, competition)]
    assert areas == [0, 20]


def test_ties_go_to_the_better_dice() -> None:
    """Both settings find the defect; without the small part beside it, its mask is exact."""
    images = [image((255, *TRUE), (255, 6, 7, 6, 7), true=TRUE)]
    space = finding(0.5, min_components=(0, 2))
    assert search.choose(counted(images, space), space).rules[0].min_component == 2


def test_a_mask_beside_the_defect_is_a_false_alarm() -> None:
    """It marks nothing that is there: of three masks two are right, and one of the three defects is missed."""
    right, beside = image((255, *TRUE), true=TRUE), image((255, 6, 8, 6, 8), true=TRUE)
    space = finding(0.7)
    counts = counted([right, right, beside], space)
    assert search.unreached(counts, space) == [2 / 3]
    assert search.unreached(counts, replace(space, min_precision=2 / 3)) == [None]


def test_an_unreachable_precision_is_told() -> None:
    """At best 1 of 2 masks is right, from 180 on: that is taken, although 140 would find both defects."""
    images = [image((level, *TRUE), true=TRUE) for level in (200, 150)]
    images += [image((level, *TRUE)) for level in (200, 150, 150, 150)]
    space = finding(0.9, thresholds=(140, 180))
    counts = counted(images, space)
    assert search.choose(counts, space).rules[0].threshold == 180
    assert search.unreached(counts, space) == [0.5]
    assert search.unreached(counts, replace(space, objective="competition")) == [None]


def test_nothing_can_be_found() -> None:
    """No mask at any setting: the mildest rule, a precision of 0. No image with the class: nothing to search."""
    space = replace(SMALL, objective="find_defects", min_precision=0.5)
    missed, clean = counted([image(true=TRUE), image()], space), counted([image((255, *TRUE))], space)
    for counts, highest in ((missed, 0), (clean, None)):
        assert search.choose(counts, space).rules == (Rule(128, 0, 0, 0),)
        assert search.unreached(counts, space) == [highest]


def test_classes_are_searched_by_themselves() -> None:
    """Whatever the metric: there is no common score to ascend."""
    space = search_space(options(objective="find_defects", min_precision=0.25), TWO, SIZE)
    assert (space.objective, space.min_precision) == ("find_defects", 0.25)
    assert not together.needed(replace(space, metric=Metric("global_dice")))
    assert together.needed(replace(space, metric=Metric("global_dice"), objective="competition"))


def test_cross_fitted_rules_follow_the_objective() -> None:
    """Each part gets the threshold that the other part asks for."""
    strict, loose = by_level(), [image((140, *TRUE), true=TRUE)] * 8
    space = finding(0.5, thresholds=(140, 180, 220))
    parts = np.array([0] * 8 + [1] * 8)
    first, second = search.crossfit(counted(strict + loose, space), parts, space)
    assert (first.rules[0].threshold, second.rules[0].threshold) == (140, 180)
