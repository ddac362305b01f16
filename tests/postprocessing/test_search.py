"""Rules of post-processing, chosen on validation images."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from stages.dataset.prepared import Sample
from stages.pipeline.cli import UserError
from stages.postprocessing import rules as postprocess
from stages.postprocessing import search
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rule, Rules
from stages.postprocessing.search import Plan, Table
from stages.scoring import dice

SIZE = 8, 8
SMALL = Plan(
    "max", None, True, ((64, 128, 200),), ((0, 2, 4),), ((0, 3, 6),), None, 0
)  # of one class, for images of 8×8

Image = tuple[Prediction, np.ndarray]


def image(*rectangles: tuple[int, int, int, int, int], true: tuple[int, int, int, int] | None = None) -> Image:
    """An image of one class: rectangles (level, top, bottom, left, right) that are predicted, and the true one."""
    pixels, labels = np.zeros((*SIZE, 1), np.uint8), np.zeros(SIZE, np.uint8)
    for level, top, bottom, left, right in rectangles:
        pixels[top:bottom, left:right] = level
    if true:
        labels[true[0] : true[1], true[2] : true[3]] = 1
    return Prediction(pixels, np.array([255], np.uint8)), labels


def tables(images: list[Image], plan: Plan = SMALL) -> list[Table]:
    """Tables of images."""
    return [search.table(prediction, true, plan) for prediction, true in images]


def scored(images: list[Image], rules: Rules) -> float:
    """Mean Dice of the label maps that post-processing makes, of class 1."""
    maps = [(postprocess.label_map(prediction, rules) == 1, true == 1) for prediction, true in images]
    counts = np.array([[(found & true).sum(), true.sum(), found.sum()] for found, true in maps])
    return float(dice.dice(*counts.T).mean())


def noise(seed: int) -> list[Image]:
    """Images of 8×8 with blurred noise for levels, a third of them without a true mask."""
    generator = np.random.default_rng(seed)
    images = []
    for number in range(9):
        coarse = generator.integers(0, 256, (4, 4, 1)).repeat(2, axis=0).repeat(2, axis=1)
        levels = (coarse + generator.integers(0, 256, (8, 8, 1))) // 2 // (1 + number % 2)
        true = (coarse[..., 0] > 150) & (number % 3 > 0)
        images.append((Prediction(levels.astype(np.uint8), np.array([number * 20], np.uint8)), true.astype(np.uint8)))
    return images


@pytest.mark.parametrize(
    ("gate", "gates"),
    [("none", (0,)), ("max", (0, 110, 180, 220)), ("area", (0, 12, 20, 30)), ("presence", (0, 20, 21, 100))],
)
def test_the_search_scores_what_post_processing_makes(gate: postprocess.Gate, gates: tuple[int, ...]) -> None:
    """Of a single class, every setting's mean Dice is that of the label maps; every value to set has an effect."""
    images, plan = noise(5), replace(SMALL, gate=gate, min_areas=((0, 6, 24),))
    means = search.mean_dice(tables(images, plan), plan, 0, gates)
    assert means.shape == (3, 3, 3, len(gates))
    assert all(np.ptp(means, axis).any() for axis in range(4) if means.shape[axis] > 1)
    grid = itertools.product(plan.thresholds[0], plan.min_components[0], plan.min_areas[0], gates)
    for mean, (threshold, component, area, closed) in zip(means.reshape(-1), grid, strict=True):
        assert mean == pytest.approx(scored(images, Rules(gate, (Rule(threshold, closed, area, component),))))


def test_factors_are_undone_before_counting() -> None:
    """170 under a weight of 2 is 128, which reaches 128 and not 200, and is the score."""
    plan = replace(SMALL, factors=(2.0,))
    (table,) = tables([image((170, 0, 2, 0, 3), true=(0, 1, 0, 3))], plan)
    assert table.predicted[0].tolist() == [[6, 6, 6], [6, 6, 6], [0, 0, 0]]
    assert table.hits[0].tolist() == [[3, 3, 3], [3, 3, 3], [0, 0, 0]]
    assert (table.scores.tolist(), table.true.tolist()) == ([128], [3])


def test_a_pixel_is_its_most_probable_class_s() -> None:
    """Three pixels: class 1 ahead, both equal (class 1), class 2 ahead."""
    plan = search.plan(2, (1, 3), thresholds=(100, 100), min_components=(0, 0))
    prediction = Prediction(np.array([[[200, 150], [150, 150], [150, 200]]], np.uint8), np.array([255, 255], np.uint8))
    table = search.table(prediction, np.array([[1, 1, 2]], np.uint8), plan)
    assert table.predicted.reshape(-1).tolist() == [2, 1]
    assert table.hits.reshape(-1).tolist() == [2, 1]
    assert table.true.tolist() == [2, 1]


def test_a_perfect_network_needs_no_rules() -> None:
    """All settings score 1: the mildest is chosen."""
    images = [image((255, 0, 4, 0, 4), true=(0, 4, 0, 4)), image()]
    assert search.choose(tables(images), SMALL).rules == (Rule(128, 0, 0, 0),)


def test_nothing_predicted_and_nothing_there() -> None:
    """Empty against empty scores 1 at every setting; predicting nothing of what is there, 0."""
    assert (search.mean_dice(tables([image()]), SMALL, 0, (0,)) == 1).all()
    assert (search.mean_dice(tables([image(true=(0, 1, 0, 1))]), SMALL, 0, (0,)) == 0).all()
    assert search.choose(tables([image(true=(0, 1, 0, 1))]), SMALL).rules == (Rule(128, 0, 0, 0),)


def only(plan: Plan, **searched: tuple[int, ...]) -> Plan:
    """A plan in which everything is given but what is named."""
    given = {"thresholds": (128,), "min_components": (0,), "min_areas": (0,), "gates": (0,)}
    return replace(plan, **{name: (searched.get(name, values),) for name, values in given.items()})


def test_a_planted_threshold_is_found() -> None:
    """The halo of level 150 is wrong, the core of level 230 right."""
    images = [image((150, 0, 6, 0, 6), (230, 1, 4, 1, 4), true=(1, 4, 1, 4))] * 3
    plan = only(SMALL, thresholds=(64, 128, 179, 204, 220))
    assert search.choose(tables(images, plan), plan).rules == (Rule(204, 0, 0, 0),)


def test_a_planted_component_size_is_found() -> None:
    """Beside each true mask of 9 pixels lies an invented one of 2: a minimum of 3 … 9 is right."""
    images = [image((255, 0, 3, 0, 3), (255, 6, 7, 5, 7), true=(0, 3, 0, 3))] * 3
    plan = only(SMALL, min_components=(0, 2, 3, 5, 9, 12))
    assert search.choose(tables(images, plan), plan).rules == (Rule(128, 0, 0, 5),)


def test_a_planted_area_is_found() -> None:
    """Clean images have two invented pixels apart, true masks have 9: only the area tells them from each other."""
    clean, defect = image((255, 0, 1, 0, 1), (255, 7, 8, 7, 8)), image((255, 0, 3, 0, 3), true=(0, 3, 0, 3))
    plan = only(SMALL, min_areas=(0, 2, 3, 5, 9, 12))
    assert search.choose(tables([clean, defect] * 2, plan), plan).rules == (Rule(128, 0, 5, 0),)


def test_a_planted_gate_is_found() -> None:
    """Invented masks are large and reach 160, true ones are small and reach 200 to 220."""
    clean = [image((150 + step, 0, 7, 0, 7)) for step in range(0, 11, 5)]
    defects = [image((200 + step, 0, 2, 0, 2), true=(0, 2, 0, 2)) for step in range(0, 21, 5)]
    plan = replace(only(SMALL), gates=None)
    (rule,) = search.choose(tables(clean + defects, plan), plan).rules
    assert rule.gate == 200
    assert scored(clean + defects, Rules("max", (rule,))) == 1


def test_masks_may_not_be_given_up() -> None:
    """Three small and three large invented masks beside two good ones: mean Dice would rather have none at all.

    Positive Dice is (1 + 2/3) / 2; a smallest area of 5 leaves 1/2 of that 5/6, which is 0.6.
    """
    clean = [image((255, 0, 2, 0, 2)), image((255, 0, 4, 0, 4))] * 3
    defects = [image((255, 0, 3, 0, 3), true=(0, 3, 0, 3)), image((255, 0, 2, 0, 2), true=(0, 2, 0, 4))]
    plan = only(SMALL, min_areas=(0, 5, 20))
    chosen = {
        keep: search.choose(tables(clean + defects, plan), replace(plan, min_positive_dice_ratio=keep))
        .rules[0]
        .min_area
        for keep in (0, 0.59, 0.61, 1)
    }
    assert chosen == {0: 20, 0.59: 5, 0.61: 0, 1: 0}


def test_a_class_that_no_image_shows_is_left_alone() -> None:
    """However much is invented: nothing says what would be lost."""
    plan = replace(SMALL, min_positive_dice_ratio=0.8)
    images = [image((200 + number, 0, 7, 0, 7)) for number in range(5)]
    assert search.choose(tables(images, plan), plan).rules == (Rule(128, 0, 0, 0),)


def test_gates_come_from_scores_and_stay_few() -> None:
    """100 images give 40 gates at most, 0 and the largest score among them; images without a mask give none."""
    plan = replace(only(SMALL, thresholds=(100,)), gates=None)
    masks = tables([image((100 + number, 0, 1, 0, 1)) for number in range(100)], plan)
    gates = search._gates(masks, 0)
    assert gates[0] == 0
    assert gates[-1] == 199
    assert 30 < len(gates) <= search.GATES
    assert search._gates(tables([image((99, 0, 1, 0, 1))], plan), 0) == (0,)


def test_a_plateau_is_preferred_to_a_peak() -> None:
    """16 of 20 true pixels at a single threshold between bad ones, 15 at three in a row: the middle of the three."""
    plan = only(SMALL, thresholds=(10, 20, 30, 40, 50, 60, 70, 80))
    found = np.array([0, 16, 0, 0, 15, 15, 15, 0], np.int32).reshape(1, 8, 1)  # all of it right
    table = Table(np.array([0]), np.array([20]), found, found)
    assert search.mean_dice([table], plan, 0, (0,)).argmax() == 1
    assert search.choose([table], plan).rules == (Rule(60, 0, 0, 0),)


def test_classes_are_searched_apart() -> None:
    """Class 1 invents small components and class 2 loses its only one to a minimum size."""
    pixels, true = np.zeros((*SIZE, 2), np.uint8), np.zeros(SIZE, np.uint8)
    pixels[:3, :3, 0] = pixels[7, 7, 0] = pixels[5, 1, 1] = 255
    true[:3, :3], true[5, 1] = 1, 2
    plan = search.plan(2, (256, 512), thresholds=(128, 128), min_areas=(0, 0))
    plan = replace(plan, min_components=((0, 2, 3, 4), (0, 2, 3, 4)))
    table = search.table(Prediction(pixels, np.array([255, 255], np.uint8)), true, plan)
    first, second = search.choose([table], plan).rules
    assert first.min_component >= 2
    assert second.min_component == 0


def test_given_values_are_used_as_given() -> None:
    """Whatever the images say; the rest of the rules says how they were made."""
    given = {"thresholds": (33, 44), "min_components": (5, 6), "min_areas": (7, 8), "gates": (9, 10)}
    plan = search.plan(2, SIZE, "area", (2.0, 3.0), False, **given)
    empty = Prediction(np.zeros((*SIZE, 2), np.uint8), np.array([255, 255], np.uint8))
    rules = search.choose([search.table(empty, np.zeros(SIZE, np.uint8), plan)], plan)
    assert rules == Rules("area", (Rule(33, 9, 7, 5), Rule(44, 10, 8, 6)), (2.0, 3.0), False)


def test_grids_grow_with_the_image() -> None:
    """Nothing and then 50 pixels and more for 256×1600, 4 and more for 200×200; half is among the thresholds."""
    large, small = search.plan(4, (256, 1600)), search.plan(4, (200, 200))
    assert large.min_components == ((0, 50, 100, 200, 400, 800, 1600, 3200, 6400),) * 4
    assert small.min_components[0] == (0, 4, 8, 16, 32, 64, 128, 256, 512)
    assert large.min_areas[0][:4] == (0, 50, 71, 100)
    assert large.min_areas[0][-1] == 25600
    assert 128 in large.thresholds[0]
    assert large.gates == ((0,),) * 4  # as there is no gate


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (32, 64)])
def test_grids_of_tiny_images(size: tuple[int, int]) -> None:
    """0 is always there, 1 never, values ascend."""
    for grid in (search.plan(1, size).min_components[0], search.plan(1, size).min_areas[0]):
        assert grid[0] == 0
        assert 1 not in grid
        assert list(grid) == sorted(set(grid))


def test_wrong_lists_are_told() -> None:
    """One value a class, and no gates without a gate."""
    with pytest.raises(UserError, match="min_areas: expected 2 values, one a class, found 3"):
        search.plan(2, SIZE, min_areas=(0, 0, 0))
    with pytest.raises(UserError, match=r"gates: expected 0 for every class.*found \[0, 5\]"):
        search.plan(2, SIZE, gates=(0, 5))


def samples(groups: list[int]) -> list[Sample]:
    """Images in groups of near-duplicates, every second one with the class."""
    return [Sample(place, f"{place}.png", 0, group, (place % 2 * 9,)) for place, group in enumerate(groups)]


def test_parts_keep_near_duplicates_together() -> None:
    """20 images in ten pairs, five parts of four images each."""
    parts = search.parts(samples([place // 2 for place in range(20)]), 5, 42)
    assert parts.dtype == np.int64
    assert (parts[::2] == parts[1::2]).all()
    assert np.bincount(parts).tolist() == [4] * 5


@pytest.mark.parametrize(("groups", "count"), [([1, 1, 2, 2, 2], 2), ([3, 3, 3], 1), ([8], 1), ([1, 2, 3], 3)])
def test_fewer_groups_than_parts(groups: list[int], count: int) -> None:
    """As many parts as groups, none of them empty."""
    parts = search.parts(samples(groups), 5, 42)
    assert sorted(set(parts.tolist())) == list(range(count))


def test_a_part_never_sees_its_own_images() -> None:
    """Other masks in part 1 leave its rules as they were, and change those of the other parts."""
    good = [image((230, 0, 3, 0, 3), (150, 6, 8, 6, 8), true=(0, 3, 0, 3)) for _ in range(6)]
    bad = [(prediction, (prediction.pixels[..., 0] == 150).astype(np.uint8)) for prediction, _ in good[2:4]]
    parts = np.array([0, 0, 1, 1, 2, 2])
    before = search.crossfit(tables(good), parts, SMALL)
    after = search.crossfit(tables(good[:2] + bad + good[4:]), parts, SMALL)
    assert len(before) == len(after) == 3
    assert after[1] == before[1]
    assert after[0] != before[0]
    assert after[2] != before[2]


def test_a_single_part_has_plain_rules() -> None:
    """There is nothing else to choose them on."""
    images = [image((255, 0, 3, 0, 3), (255, 6, 7, 5, 7), true=(0, 3, 0, 3))] * 3
    assert search.crossfit(tables(images), np.zeros(3, np.int64), SMALL) == [postprocess.plain(1)]
