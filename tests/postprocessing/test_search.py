"""Rules of post-processing, chosen on validation images."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from stages.dataset.prepared import Sample
from stages.pipeline.cli import UserError
from stages.postprocessing import every_setting, search
from stages.postprocessing.class_weights import corrected
from stages.postprocessing.counts import ImageCounts, count
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Gate, Rule, Rules, plain
from stages.postprocessing.search_space import search_space
from tests.support.searches import FOUR, ONE, SIZE, SMALL, TWO, counted, image, noise, only, options, scored


@pytest.mark.parametrize(
    ("gate", "gates"),
    [("none", (0,)), ("max", (0, 110, 180, 220)), ("area", (0, 12, 20, 30)), ("presence", (0, 20, 21, 100))],
)
def test_the_search_scores_what_post_processing_makes(gate: Gate, gates: tuple[int, ...]) -> None:
    """Of a single class, every setting's mean Dice is that of the label maps; every value to set has an effect."""
    images, space = noise(5), replace(SMALL, gate=gate, min_areas=((0, 6, 24),))
    means = every_setting.scores(counted(images, space), space, 0, gates)
    assert means.shape == (3, 3, 3, len(gates), 1)
    assert all(np.ptp(means, axis).any() for axis in range(5) if means.shape[axis] > 1)
    grid = itertools.product(space.thresholds[0], space.min_components[0], space.min_areas[0], gates)
    for mean, (threshold, component, area, closed) in zip(means.reshape(-1), grid, strict=True):
        assert mean == pytest.approx(scored(images, Rules(gate, (Rule(threshold, closed, area, component),))))


def test_factors_are_undone_before_counting() -> None:
    """170 under a weight of 2 is 128, which reaches 128 and not 200, and is the score."""
    prediction, true = image((170, 0, 2, 0, 3), true=(0, 1, 0, 3))
    counts = count(corrected(prediction, (2.0,), softmax=True), true, SMALL)
    assert counts.predicted[0].tolist() == [[6, 6, 6], [6, 6, 6], [0, 0, 0]]
    assert counts.hits[0].tolist() == [[3, 3, 3], [3, 3, 3], [0, 0, 0]]
    assert (counts.scores.tolist(), counts.true.tolist()) == ([128], [3])


def test_an_image_of_one_class_is_counted_for_that_class() -> None:
    """Class 2 is ahead in one pixel of three, and has the smaller sum; the rules that are found say so too."""
    fixed = options(thresholds=(100, 100), min_components=(0, 0), one_class=True)
    space = search_space(fixed, TWO, (1, 3))
    prediction = Prediction(np.array([[[200, 50], [150, 150], [150, 200]]], np.uint8), np.array([255, 255], np.uint8))
    counts = count(prediction, np.array([[1, 1, 2]], np.uint8), space)
    assert counts.predicted.reshape(-1).tolist() == [3, 0]
    assert search.choose([counts], space).one_class


def test_a_pixel_belongs_to_its_most_probable_class() -> None:
    """Three pixels: class 1 ahead, both equal (class 1), class 2 ahead."""
    space = search_space(options(thresholds=(100, 100), min_components=(0, 0)), TWO, (1, 3))
    prediction = Prediction(np.array([[[200, 150], [150, 150], [150, 200]]], np.uint8), np.array([255, 255], np.uint8))
    counts = count(prediction, np.array([[1, 1, 2]], np.uint8), space)
    assert counts.predicted.reshape(-1).tolist() == [2, 1]
    assert counts.hits.reshape(-1).tolist() == [2, 1]
    assert counts.true.tolist() == [2, 1]


def test_a_perfect_network_needs_no_rules() -> None:
    """All settings score 1: the mildest is chosen."""
    images = [image((255, 0, 4, 0, 4), true=(0, 4, 0, 4)), image()]
    assert search.choose(counted(images), SMALL).rules == (Rule(128, 0, 0, 0),)


def test_nothing_predicted_and_nothing_there() -> None:
    """Empty against empty scores 1 at every setting; predicting nothing of what is there, 0."""
    assert (every_setting.scores(counted([image()]), SMALL, 0, (0,)) == 1).all()
    assert (every_setting.scores(counted([image(true=(0, 1, 0, 1))]), SMALL, 0, (0,)) == 0).all()
    assert search.choose(counted([image(true=(0, 1, 0, 1))]), SMALL).rules == (Rule(128, 0, 0, 0),)


def test_a_planted_threshold_is_found() -> None:
    """The halo of level 150 is wrong, the core of level 230 right."""
    images = [image((150, 0, 6, 0, 6), (230, 1, 4, 1, 4), true=(1, 4, 1, 4))] * 3
    space = only(SMALL, thresholds=(64, 128, 179, 204, 220))
    assert search.choose(counted(images, space), space).rules == (Rule(204, 0, 0, 0),)


def test_a_planted_component_size_is_found() -> None:
    """Beside each true mask of 9 pixels is a false positive of 2: a minimum of 3 … 9 is right."""
    images = [image((255, 0, 3, 0, 3), (255, 6, 7, 5, 7), true=(0, 3, 0, 3))] * 3
    space = only(SMALL, min_components=(0, 2, 3, 5, 9, 12))
    assert search.choose(counted(images, space), space).rules == (Rule(128, 0, 0, 5),)


def test_a_planted_area_is_found() -> None:
    """Clean images have two separate false positives, true masks have 9 pixels: only the area separates them."""
    clean, defect = image((255, 0, 1, 0, 1), (255, 7, 8, 7, 8)), image((255, 0, 3, 0, 3), true=(0, 3, 0, 3))
    space = only(SMALL, min_areas=(0, 2, 3, 5, 9, 12))
    assert search.choose(counted([clean, defect] * 2, space), space).rules == (Rule(128, 0, 5, 0),)


def test_a_planted_gate_is_found() -> None:
    """False positives are large and reach 160, true masks are small and reach 200 to 220."""
    clean = [image((150 + step, 0, 7, 0, 7)) for step in range(0, 11, 5)]
    defects = [image((200 + step, 0, 2, 0, 2), true=(0, 2, 0, 2)) for step in range(0, 21, 5)]
    space = replace(only(SMALL), gates=None)
    (rule,) = search.choose(counted(clean + defects, space), space).rules
    assert rule.gate == 200
    assert scored(clean + defects, Rules("max", (rule,))) == 1


def test_masks_must_not_be_given_up() -> None:
    """Three small and three large false positives beside two good masks: mean Dice alone would remove all masks.

    Positive Dice is (1 + 2/3) / 2; a smallest area of 5 leaves 1/2 of that 5/6, which is 0.6.
    """
    clean = [image((255, 0, 2, 0, 2)), image((255, 0, 4, 0, 4))] * 3
    defects = [image((255, 0, 3, 0, 3), true=(0, 3, 0, 3)), image((255, 0, 2, 0, 2), true=(0, 2, 0, 4))]
    space = only(SMALL, min_areas=(0, 5, 20))
    chosen = {
        keep: search.choose(counted(clean + defects, space), replace(space, min_positive_dice_ratio=keep))
        .rules[0]
        .min_area
        for keep in (0, 0.59, 0.61, 1)
    }
    assert chosen == {0: 20, 0.59: 5, 0.61: 0, 1: 0}


def test_a_class_that_no_image_shows_is_left_alone() -> None:
    """However many false positives there are: no image shows what would be lost."""
    space = replace(SMALL, min_positive_dice_ratio=0.8)
    images = [image((200 + number, 0, 7, 0, 7)) for number in range(5)]
    assert search.choose(counted(images, space), space).rules == (Rule(128, 0, 0, 0),)


def test_gates_come_from_scores_and_stay_few() -> None:
    """100 images give 40 gates at most, 0 and the largest score among them; images without a mask give none."""
    space = replace(only(SMALL, thresholds=(100,)), gates=None)
    masks = counted([image((100 + number, 0, 1, 0, 1)) for number in range(100)], space)
    gates = search._gates(masks, space, 0)
    assert gates[0] == 0
    assert gates[-1] == 199
    assert 30 < len(gates) <= search.GATES
    assert search._gates(counted([image((99, 0, 1, 0, 1))], space), space, 0) == (0,)


def test_a_plateau_is_preferred_to_a_peak() -> None:
    """16 of 20 true pixels at a single threshold between bad ones, 15 at three in a row: the middle of the three."""
    space = only(SMALL, thresholds=(10, 20, 30, 40, 50, 60, 70, 80))
    found = np.array([0, 16, 0, 0, 15, 15, 15, 0], np.int32).reshape(1, 8, 1)  # all of it right
    counts = ImageCounts(np.array([0]), np.array([255]), np.array([20]), found, found)
    assert every_setting.scores([counts], space, 0, (0,)).argmax() == 1
    assert search.choose([counts], space).rules == (Rule(60, 0, 0, 0),)


def test_classes_are_searched_apart() -> None:
    """Class 1 has small false positives; class 2 would lose its only component to a minimum size."""
    pixels, true = np.zeros((*SIZE, 2), np.uint8), np.zeros(SIZE, np.uint8)
    pixels[:3, :3, 0] = pixels[7, 7, 0] = pixels[5, 1, 1] = 255
    true[:3, :3], true[5, 1] = 1, 2
    space = search_space(options(thresholds=(128, 128), min_areas=(0, 0)), TWO, (256, 512))
    space = replace(space, min_components=((0, 2, 3, 4), (0, 2, 3, 4)))
    counts = count(Prediction(pixels, np.array([255, 255], np.uint8)), true, space)
    first, second = search.choose([counts], space).rules
    assert first.min_component >= 2
    assert second.min_component == 0


def test_given_values_are_used_as_given() -> None:
    """Whatever the images are; gate, factors and softmax are part of the rules."""
    given = {"thresholds": (33, 44), "min_components": (5, 6), "min_areas": (7, 8), "gates": (9, 10)}
    space = search_space(options(gate="area", **given), TWO, SIZE, (2.0, 3.0), softmax=False)
    empty = Prediction(np.zeros((*SIZE, 2), np.uint8), np.array([255, 255], np.uint8))
    rules = search.choose([count(empty, np.zeros(SIZE, np.uint8), space)], space)
    assert rules == Rules("area", (Rule(33, 9, 7, 5), Rule(44, 10, 8, 6)), (2.0, 3.0), False)


def test_grids_grow_with_the_image() -> None:
    """Nothing and then 50 pixels and more for 256×1600, 4 and more for 200×200; half is among the thresholds."""
    large, small = (search_space(options(), FOUR, size) for size in ((256, 1600), (200, 200)))
    assert large.min_components == ((0, 50, 100, 200, 400, 800, 1600, 3200, 6400),) * 4
    assert small.min_components[0] == (0, 4, 8, 16, 32, 64, 128, 256, 512)
    assert large.min_areas[0][:4] == (0, 50, 71, 100)
    assert large.min_areas[0][-1] == 25600
    assert 128 in large.thresholds[0]
    assert large.gates == ((0,),) * 4  # as there is no gate


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (32, 64)])
def test_grids_of_tiny_images(size: tuple[int, int]) -> None:
    """0 is always there, 1 never, values ascend."""
    space = search_space(options(), ONE, size)
    for grid in (space.min_components[0], space.min_areas[0]):
        assert grid[0] == 0
        assert 1 not in grid
        assert list(grid) == sorted(set(grid))


def test_wrong_lists_are_refused() -> None:
    """One value per class, and no gates without a gate."""
    with pytest.raises(UserError, match="min_areas: expected 2 values, one per class, found 3"):
        search_space(options(min_areas=(0, 0, 0)), TWO, SIZE)
    with pytest.raises(UserError, match=r"gates: expected 0 for every class.*found \[0, 5\]"):
        search_space(options(gates=(0, 5)), TWO, SIZE)


def samples(groups: list[int]) -> list[Sample]:
    """Images in groups of near-duplicates, every second one with the class."""
    return [Sample(place, f"{place}.png", 0, group, (place % 2 * 9,), SIZE) for place, group in enumerate(groups)]


def test_parts_keep_near_duplicates_together() -> None:
    """20 images in ten pairs, five parts of four images each."""
    parts = search.split(samples([place // 2 for place in range(20)]), 5, 42)
    assert parts.dtype == np.int64
    assert (parts[::2] == parts[1::2]).all()
    assert np.bincount(parts).tolist() == [4] * 5


@pytest.mark.parametrize(("groups", "count"), [([1, 1, 2, 2, 2], 2), ([3, 3, 3], 1), ([8], 1), ([1, 2, 3], 3)])
def test_fewer_groups_than_parts(groups: list[int], count: int) -> None:
    """As many parts as groups, none of them empty."""
    parts = search.split(samples(groups), 5, 42)
    assert sorted(set(parts.tolist())) == list(range(count))


def test_a_part_never_sees_its_own_images() -> None:
    """Other masks in part 1 leave its rules as they were, and change those of the other parts."""
    good = [image((230, 0, 3, 0, 3), (150, 6, 8, 6, 8), true=(0, 3, 0, 3)) for _ in range(6)]
    bad = [(prediction, (prediction.pixels[..., 0] == 150).astype(np.uint8)) for prediction, _ in good[2:4]]
    parts = np.array([0, 0, 1, 1, 2, 2])
    before = search.crossfit(counted(good), parts, SMALL)
    after = search.crossfit(counted(good[:2] + bad + good[4:]), parts, SMALL)
    assert len(before) == len(after) == 3
    assert after[1] == before[1]
    assert after[0] != before[0]
    assert after[2] != before[2]


def test_a_single_part_has_plain_rules() -> None:
    """There are no other images to choose them on."""
    images = [image((255, 0, 3, 0, 3), (255, 6, 7, 5, 7), true=(0, 3, 0, 3))] * 3
    assert search.crossfit(counted(images), np.zeros(3, np.int64), SMALL) == [plain(1)]
