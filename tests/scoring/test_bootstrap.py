import numpy as np
import pytest

from stages.scoring import bootstrap
from stages.scoring.per_image import ImageScores


def scores(true: list[list[int]], predicted: list[list[int]], hit: list[list[int]], groups: list[int]) -> ImageScores:
    """Scores of images given by their pixels, one row per image and one column per class."""
    there, found, both = np.array(true), np.array(predicted), np.array(hit)
    total = there + found
    dice = np.where(total == 0, 1.0, 2 * both / np.maximum(total, 1))
    names = [f"{number}.jpg" for number in range(len(true))]
    return ImageScores([f"c{k + 1}" for k in range(there.shape[1])], names, np.array(groups), dice, there, found, both)


def test_images_of_a_group_are_drawn_together() -> None:
    """Each round draws as many groups as there are."""
    weights = bootstrap.draws([7, 3, 7, 5], rounds=50)
    assert weights.shape == (50, 4)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)
    assert len(np.unique(weights, axis=0)) > 3


def test_the_same_seed_draws_the_same() -> None:
    """Another seed draws others."""
    np.testing.assert_array_equal(bootstrap.draws(range(9)), bootstrap.draws(range(9)))
    assert (bootstrap.draws(range(9)) != bootstrap.draws(range(9), seed=1)).any()


def test_figures_by_hand() -> None:
    """Two images, two classes: c1 in the first, c2 nowhere, with false positives in the second."""
    given = scores([[4, 0], [0, 0]], [[4, 0], [0, 3]], [[2, 0], [0, 0]], [0, 1])
    figures = {name: values[0] for name, values in bootstrap.figures(given).items()}
    assert figures["mean_dice"] == pytest.approx((0.5 + 1 + 1 + 0) / 4)
    assert figures["positive_dice.c1"] == 0.5
    assert np.isnan(figures["positive_dice.c2"])
    assert figures["positive_mean_dice"] == 0.5
    assert figures["precision.c1"] == 0.5
    assert figures["precision.c2"] == 0
    assert figures["mean_precision"] == 0.25
    assert figures["mean_recall"] == 0.5
    assert np.isnan(figures["recall.c2"])


def test_a_weight_counts_an_image_several_times() -> None:
    """Figures of weights 2 and 1 are those of three images, one of them twice."""
    generator = np.random.default_rng(0)
    true, extra = generator.integers(0, 9, (2, 2, 3))
    given = scores(true.tolist(), (true + extra).tolist(), true.tolist(), [0, 1])
    found, again_true = (rows[[0, 0, 1]].tolist() for rows in (true + extra, true))
    again = scores(again_true, found, again_true, [0, 0, 1])
    weighted = bootstrap.figures(given, np.array([[2, 1]]))
    for name, values in bootstrap.figures(again).items():
        np.testing.assert_allclose(weighted[name], values)


def test_the_interval_of_many_coins_is_the_binomial_one() -> None:
    """400 clean images, half of them with a false positive: 0.5 ± 1.96·sqrt(0.25/400)."""
    predicted = [[number % 2] for number in range(400)]
    given = scores([[0]] * 400, predicted, [[0]] * 400, list(range(400)))
    low, high = bootstrap.interval(bootstrap.figures(given, bootstrap.draws(given.groups))["mean_dice"]) or (0, 0)
    assert low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006)
    assert high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)


def test_groups_widen_the_interval() -> None:
    """40 groups of ten equal images hold less information than 400 different images."""
    predicted = [[number // 10 % 2] for number in range(400)]
    widths = []
    for groups in (list(range(400)), [number // 10 for number in range(400)]):
        given = scores([[0]] * 400, predicted, [[0]] * 400, groups)
        low, high = bootstrap.interval(bootstrap.figures(given, bootstrap.draws(groups))["mean_dice"]) or (0, 0)
        widths.append(high - low)
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.15)


def test_rounds_without_a_value_are_left_out() -> None:
    """Without any value there is no interval."""
    assert bootstrap.interval(np.array([np.nan, 1.0, 3.0]), level=1) == (1, 3)
    assert bootstrap.interval(np.array([np.nan, np.nan])) is None
