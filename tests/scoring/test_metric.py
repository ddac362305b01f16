"""Scores by name, with values made by hand."""

from fractions import Fraction

import numpy as np
import pytest

from stages.dataset.layout import Metric
from stages.scoring import dice, metric
from stages.scoring.metric import pair_scores, score, score_of_nothing

MEAN, STRICT = Metric("mean_dice"), Metric("mean_dice", 0.0)
GLOBAL, IOU = Metric("global_dice"), Metric("iou_thresholds")


def counts(*images: list[tuple[int, int, int]]) -> list[np.ndarray]:
    """Intersection, true and predicted pixels, each (images, classes), from one such triple per class."""
    return list(np.moveaxis(np.array(images, np.int64), -1, 0))


@pytest.mark.parametrize(
    ("named", "empty", "invented", "missed"), [(MEAN, 1, 0, 0), (STRICT, 0, 0, 0), (GLOBAL, None, 0, 0), (IOU, 1, 0, 0)]
)
def test_empty_masks(named: Metric, empty: float | None, invented: float, missed: float) -> None:
    """Both empty; nothing there and a pixel predicted; a pixel there and nothing predicted."""
    found = [score(named, *counts([triple])) for triple in ((0, 0, 0), (0, 0, 1), (0, 1, 0))]
    assert found == [empty, invented, missed]


@pytest.mark.parametrize("named", [MEAN, STRICT, GLOBAL, IOU])
def test_a_perfect_mask(named: Metric) -> None:
    """One pixel, found: 1."""
    assert score(named, *counts([(1, 1, 1)])) == 1


@pytest.mark.parametrize("named", [MEAN, STRICT, GLOBAL, IOU])
def test_no_images_at_all(named: Metric) -> None:
    """Nothing to average: undefined, not 0 and not NaN."""
    assert score(named, *np.zeros((3, 0, 2), np.int64)) is None
    assert score_of_nothing(named, np.zeros((0, 2), np.int64)) is None


def test_two_images_of_two_classes() -> None:
    """Dice 2·2/(4+2) = 2/3, empty, 0, 2·5/(5+5) = 1; over all pixels 2·7/(10+9)."""
    drawn = counts([(2, 4, 2), (0, 0, 0)], [(0, 1, 2), (5, 5, 5)])
    assert score(MEAN, *drawn) == (2 / 3 + 1 + 0 + 1) / 4
    assert score(STRICT, *drawn) == (2 / 3 + 0 + 0 + 1) / 4
    assert score(GLOBAL, *drawn) == 14 / 19


def test_the_value_of_an_empty_pair_is_what_is_named() -> None:
    """Half a point for the second image."""
    assert score(Metric("mean_dice", 0.5), *counts([(1, 1, 1)], [(0, 0, 0)])) == 0.75
    assert score(Metric("iou_thresholds", 0.5), *counts([(1, 1, 1)], [(0, 0, 0)])) == 0.75


def test_large_images_outweigh_small_ones_in_global_dice() -> None:
    """A perfect mask of 1 pixel and half of 98: 2·50/(99+50), while the mean of both is 5/6."""
    drawn = counts([(1, 1, 1)], [(49, 98, 49)])
    assert score(GLOBAL, *drawn) == 100 / 149
    assert score(MEAN, *drawn) == pytest.approx(5 / 6)


def test_global_dice_of_a_large_set() -> None:
    """One false pixel among 10¹⁴ is still seen."""
    pixels = np.full((100_000, 1), 10**9, np.int64)
    found = score(GLOBAL, pixels, pixels, pixels + (np.arange(100_000) == 0)[:, np.newaxis])
    assert found == pytest.approx(1, abs=1e-12)
    assert found < 1


@pytest.mark.parametrize(
    ("both", "union", "expected"),
    [
        (1, 2, 0),  # 0.5 is not greater than 0.5
        (51, 100, 0.1),
        (11, 20, 0.1),  # 0.55: greater than 0.5 alone
        (12, 20, 0.2),
        (13, 20, 0.3),
        (14, 20, 0.4),
        (3, 4, 0.5),
        (16, 20, 0.6),
        (17, 20, 0.7),
        (18, 20, 0.8),
        (19, 20, 0.9),  # 0.95 is not greater than 0.95
        (96, 100, 1),
        (1, 1, 1),
    ],
)
def test_thresholds_of_iou_are_strict(both: int, union: int, expected: float) -> None:
    """An IoU at a threshold does not exceed it, however the fraction is rounded; at any size of the masks."""
    for scale in (1, 7, 10_201, 10**8):
        true, predicted = both * scale, union * scale  # the true mask lies inside the predicted one
        assert score(IOU, *counts([(both * scale, true, predicted)])) == expected


def test_iou_against_fractions() -> None:
    """All masks of up to 40 pixels, by exact arithmetic."""
    triples = [(both, true, 40) for true in range(1, 41) for both in range(true + 1)]
    thresholds = [Fraction(percent, 100) for percent in range(50, 100, 5)]
    for (both, true, predicted), found in zip(triples, pair_scores(IOU, *np.array(triples).T).tolist(), strict=True):
        assert found == sum(Fraction(both, true + predicted - both) > t for t in thresholds) / 10


def test_mean_dice_is_the_score_of_severstal_to_the_last_digit() -> None:
    """The same numbers as `dice`, so that figures of earlier versions stay what they were."""
    generator = np.random.default_rng(3)
    true, predicted = generator.integers(0, 50, (2, 300, 4)) * (generator.random((2, 300, 4)) > 0.5)
    both = np.minimum(true, predicted) // 2
    assert score(MEAN, both, true, predicted) == dice.mean_dice(both, true, predicted)
    assert score_of_nothing(MEAN, true) == dice.all_empty_mean_dice(true)
    assert (pair_scores(MEAN, both, true, predicted) == dice.dice(both, true, predicted)).all()


def test_predicting_nothing() -> None:
    """One of two masks is empty: half a point, nothing where empty pairs count nothing or where pixels are counted."""
    true = np.array([[0], [7]])
    assert [score_of_nothing(named, true) for named in (MEAN, STRICT, GLOBAL, IOU)] == [0.5, 0, 0, 0.5]


def test_global_dice_has_no_pairs() -> None:
    """A mistake of the program."""
    with pytest.raises(ValueError, match="expected a score that is a mean over pairs, found global_dice"):
        pair_scores(GLOBAL, *counts([(1, 1, 1)]))


def test_titles_fit_into_the_column() -> None:
    """Of the terminal's lists, which is 28 characters wide; the value of empty pairs is named unless it is 1."""
    titles = [metric.title(named) for named in (MEAN, STRICT, GLOBAL, IOU)]
    assert titles == [
        "score (mean_dice)",
        "score (mean_dice, empty 0)",
        "score (global_dice)",
        "score (iou_thresholds)",
    ]
    assert max(map(len, titles)) < 28
