"""The soft veto: the less the image-level head believes in a class, the larger its smallest mask."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from stages.dataset.layout import Metric
from stages.postprocessing import every_setting, search, together
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rule, Rules, label_map, weighed
from stages.postprocessing.search_space import VETOES, search_space
from tests.support.searches import SIZE, SMALL, TWO, Image, counted, image, noise, only, options, scored


def seen(case: Image, presence: int) -> Image:
    """The same image with this answer of the image-level head."""
    prediction, true = case
    return Prediction(prediction.pixels, np.array([presence], np.uint8)), true


@pytest.mark.parametrize(
    ("presence", "least"),
    [(255, 4), (170, 8), (85, 12), (0, 16), (254, 5)],  # 4·(1 + 3·(1 - presence/255)), rounded up
)
def test_the_smallest_mask_grows_as_presence_falls(presence: int, least: int) -> None:
    """With min_area 4 and veto 3: a mask of exactly the bound stays, one pixel less goes."""
    assert Rule(128, 0, 4, 0, veto=3).of_image(presence) == Rule(128, 0, least, 0)
    for pixels in (least - 1, least):
        drawn = Prediction((np.arange(20) < pixels)[None, :, None] * np.uint8(200), np.array([presence], np.uint8))
        assert label_map(drawn, Rules("none", (Rule(128, 0, 4, 0, veto=3),))).any() == (pixels == least)
        assert (weighed(np.array(pixels), np.array(presence), 3) >= 4) == (pixels == least)


def test_without_a_bound_there_is_nothing_to_grow() -> None:
    """min_area 0 keeps all masks, whatever the veto; and veto 0 leaves the bound, whatever the head says."""
    assert Rule(128, 0, 0, 0, veto=31).of_image(0).min_area == 0
    assert Rule(128, 0, 9, 0).of_image(0).min_area == 9


def test_planes_of_overlapping_classes_have_it_too() -> None:
    """Class 1 is ruled out by the head, class 2 is not; both have six pixels."""
    pixels = np.full((2, 3, 2), 200, np.uint8)
    rules = Rules("none", (Rule(128, 0, 4, 0, veto=1),) * 2, overlapping=True)
    masks = label_map(Prediction(pixels, np.array([0, 255], np.uint8)), rules)
    assert masks.any(axis=(0, 1)).tolist() == [False, True]


def test_the_search_scores_what_post_processing_makes() -> None:
    """Every setting's mean Dice is that of the label maps, and every veto has an effect."""
    images, space = noise(5), replace(SMALL, min_areas=((0, 6, 24),), vetoes=((0, 1, 7),))
    counts, gates = counted(images, space), (0, 110)
    means = every_setting.scores(counts, space, 0, gates)
    assert means.shape == (3, 3, 3, 2, 3)
    assert np.ptp(means, axis=4).any()
    grid = itertools.product(space.thresholds[0], space.min_components[0], space.min_areas[0], gates, (0, 1, 7))
    for mean, (threshold, component, area, gate, veto) in zip(means.reshape(-1), grid, strict=True):
        rule = Rule(threshold, gate, area, component, veto)
        assert mean == pytest.approx(scored(images, Rules("max", (rule,))))
        assert mean == pytest.approx(together.figure(counts, replace(space, metric=Metric()), (rule,)))


def test_a_planted_veto_is_found() -> None:
    """False masks of 9 pixels where the head says no, true ones of 4 where it says yes: only a veto separates them."""
    clean = [seen(image((255, 0, 3, 0, 3)), 0)] * 3
    defects = [seen(image((255, 0, 2, 0, 2), true=(0, 2, 0, 2)), 255)] * 3
    space = replace(only(SMALL, min_areas=(0, 4)), vetoes=((0, 1, 3),))
    assert search.choose(counted(clean + defects, space), space).rules == (Rule(128, 0, 4, 0, veto=3),)
    without = replace(space, vetoes=())
    assert search.choose(counted(clean + defects, without), without).rules[0].veto == 0


def test_vetoes_are_searched_or_given() -> None:
    """None without the parameter; the grid, or the values as they are."""
    assert search_space(options(), TWO, SIZE).vetoes == ()
    assert search_space(options(veto=True), TWO, SIZE).vetoes == (VETOES,) * 2
    assert search_space(options(veto=True, vetoes=(5, 0)), TWO, SIZE).vetoes == ((5,), (0,))
