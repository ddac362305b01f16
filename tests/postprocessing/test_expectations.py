"""An expected Dice with an interval, learned from pairs whose Dice is known."""

import json

import numpy as np
import pytest

from stages.pipeline.arrays import Float64, Int64
from stages.postprocessing import evidence, expectations
from stages.postprocessing.expectations import Expected, Model

AREA, SOFT = (evidence.NAMES.index(name) for name in ("area", "soft Dice"))


def pairs(images: int, seed: int = 0, marked: float = 0.6) -> tuple[Float64, Float64, Int64]:
    """Images of two classes: where there is a mask, Dice scatters around the soft Dice; the second class is worse."""
    rng = np.random.default_rng(seed)
    described = rng.normal(size=(images, 2, len(evidence.NAMES)))
    soft = rng.uniform(0.2, 0.9, (images, 2))
    has_mask = rng.random((images, 2)) < marked
    described[..., SOFT], described[..., AREA] = soft * has_mask, np.where(has_mask, 5.0, 0.0)
    noise = rng.uniform(-1, 1, (images, 2)) * [0.05, 0.2]
    nothing = (rng.random((images, 2)) < 0.9).astype(np.float64)
    dice = np.where(has_mask, np.clip(soft + noise - [0, 0.1], 0, 1), nothing)
    return described, dice, np.arange(images)


def fitted(images: int, seed: int = 0) -> Model:
    """From so many images."""
    return expectations.fit(["a", "b"], *pairs(images, seed))


def held(model: Model, images: int = 2000) -> tuple[float, float]:
    """Share of the intervals that hold on other images, where there is a mask, and their mean width."""
    described, dice, _ = pairs(images, seed=99)
    inside, widths = [], []
    for of_image, true in zip(described, dice, strict=True):
        marked = expectations.has_mask(of_image)
        for expected, found, is_marked in zip(model.expected(of_image), true, marked, strict=True):
            if expected is not None and is_marked:
                inside.append(expected.low <= found <= expected.high)
                widths.append(expected.high - expected.low)
    return float(np.mean(inside)), float(np.mean(widths))


@pytest.mark.parametrize(("images", "most"), [(40, 0.98), (100, 0.95), (400, 0.95)])
def test_nine_intervals_of_ten_hold_on_other_images(images: int, most: float) -> None:
    """From hundreds of images, and from as many as a sample has, where 19 neighbours are half of all pairs."""
    coverage, width = held(fitted(images))
    assert 0.85 <= coverage <= most
    assert width < 0.5  # Dice itself spreads over 0.7 (from 0.2 to 0.9)


def test_a_sure_mask_is_expected_to_be_better() -> None:
    """The soft Dice decides, where all else is equal; the class that is worse is expected to be."""
    model, described = fitted(200), np.zeros((2, len(evidence.NAMES)))
    described[:, AREA] = 5
    found = []
    for soft in (0.3, 0.8):
        described[:, SOFT] = soft
        found += [each for each in model.expected(described) if each is not None]
    worst, worse, best, better = found
    assert worst.dice + 0.3 < best.dice
    assert worse.dice + 0.3 < better.dice
    assert better.dice < best.dice
    assert all(each.low <= each.dice <= each.high for each in found)


def test_without_a_mask_it_is_the_probability_that_there_is_nothing() -> None:
    """Nine of ten are right."""
    expected = fitted(400).expected(np.zeros((2, len(evidence.NAMES))))
    for each in expected:
        assert each is not None
        assert each.dice == pytest.approx(0.9, abs=0.08)


def test_too_few_pairs_to_say() -> None:
    """Of 12 images all have a mask of both classes: 24 pairs are enough, and nothing is known of empty masks."""
    described, dice, groups = pairs(12, marked=1.0)
    model = expectations.fit(["a", "b"], described, dice, groups)
    assert model.marked is not None
    assert model.empty is None
    assert model.expected(np.zeros((2, len(evidence.NAMES)))) == [None, None]
    assert expectations.fit(["a", "b"], described[:9], dice[:9], groups[:9]).marked is None


def test_near_duplicates_count_as_one() -> None:
    """Twelve copies of one image teach nothing of others."""
    described, dice, groups = pairs(12, marked=1.0)
    assert expectations.fit(["a", "b"], described, dice, np.zeros_like(groups)).marked is None


def test_the_nearest_pairs_and_their_ranks() -> None:
    """Of 40 pairs with Dice 0.00, 0.01, …, the 19 around 0.20 are 0.11 … 0.29, and the ends are never exceeded."""
    scores = np.arange(40) / 100
    kind = expectations.Neighbours(np.zeros(1), np.ones(1), np.ones(1), 0.0, scores, scores)
    assert kind.expected(np.array([0.2])) == pytest.approx(Expected(0.2, 0.11, 0.29))
    assert kind.expected(np.array([-9.0])) == pytest.approx(Expected(0.09, 0.0, 0.18))
    assert kind.expected(np.array([9.0])) == pytest.approx(Expected(0.3, 0.21, 0.39))


def test_what_was_learned_survives_a_file() -> None:
    """The same answers, bit for bit."""
    model = fitted(60)
    again = Model.from_json(json.loads(json.dumps(model.to_json())))
    for described in pairs(10, seed=3)[0]:
        assert again.expected(described) == model.expected(described)


@pytest.mark.parametrize("name", ["centre", "weights", "dice", "offset"])
def test_a_damaged_file(name: str) -> None:
    """Numbers that are missing, or that are none."""
    for value in ([], [float("nan")], None, "x"):
        content = fitted(60).to_json()
        content["marked"][name] = value
        with pytest.raises((ValueError, TypeError)):
            Model.from_json(content)
