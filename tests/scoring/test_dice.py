"""The competition's score on masks small enough to count by hand, and on the real tables."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from stages.scoring import dice


def counts(*pairs: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intersection, true and predicted pixels of pairs of masks, drawn as `##.` and so on."""
    drawn = [[np.array([pixel == "#" for pixel in mask]) for mask in pair] for pair in pairs]
    counted = np.array([((t & p).sum(), t.sum(), p.sum()) for t, p in drawn], np.int64)
    return counted[:, 0], counted[:, 1], counted[:, 2]


@pytest.mark.parametrize(
    ("true", "predicted", "expected"),
    [
        ("....", "....", 1.0),  # both empty
        ("....", "#...", 0.0),  # one false pixel
        ("#...", "....", 0.0),
        ("##..", "##..", 1.0),
        ("##..", "..##", 0.0),
        ("##..", ".##.", 0.5),  # 2·1 / (2 + 2)
        ("####", "#...", 0.4),  # 2·1 / (4 + 1)
        ("#...", "####", 0.4),
        ("###.", ".###", 2 / 3),  # 2·2 / (3 + 3)
    ],
)
def test_dice_of_one_pair(true: str, predicted: str, expected: float) -> None:
    """Dice = 2·|X ∩ Y| / (|X| + |Y|), and 1 when both are empty."""
    assert dice.dice(*counts((true, predicted))).tolist() == [expected]


def test_mean_dice() -> None:
    """Four pairs with 1, 0, 0.5 and 0.4 have a mean of 1.9 / 4."""
    pairs = counts(("....", "...."), ("....", "#..."), ("##..", ".##."), ("####", "#..."))
    assert dice.mean_dice(*pairs) == pytest.approx(0.475)
    assert dice.mean_dice(*(numbers.reshape(2, 2) for numbers in pairs)) == pytest.approx(0.475)


def test_pairs_count_alike_whatever_their_size() -> None:
    """The mean is over pairs, not over pixels: a mask of one pixel weighs as much as one of a million."""
    true = np.array([1, 1_000_000])
    assert dice.mean_dice(np.array([1, 0]), true, np.array([1, 0])) == 0.5


def test_areas_of_a_whole_data_set() -> None:
    """Sums of areas beyond 32 bits do not wrap around."""
    half, whole = np.array([3_000_000_000]), np.array([6_000_000_000])
    assert dice.dice(half, whole, half).tolist() == [pytest.approx(2 / 3)]


def test_nothing_predicted() -> None:
    """Submitting nothing scores the share of empty pairs, 5 of 8 here, and 0 on pairs with a mask."""
    true = np.array([[0, 9], [0, 0], [4, 0], [2, 0]])
    nothing = np.zeros_like(true)
    assert dice.all_empty_mean_dice(true) == dice.mean_dice(nothing, true, nothing) == 0.625
    assert dice.positive_dice(nothing, true, nothing) == [0.0, 0.0]


def test_positive_dice_leaves_empty_pairs_out() -> None:
    """Per class over the images that have it; false pixels on other images do not count here."""
    true = np.array([[4, 0, 0], [4, 0, 2], [0, 0, 0]])
    predicted = np.array([[4, 0, 0], [0, 3, 2], [1, 0, 0]])
    intersection = np.array([[4, 0, 0], [0, 0, 1], [0, 0, 0]])
    assert dice.positive_dice(intersection, true, predicted) == [0.5, None, 0.5]  # (1 + 0) / 2; none; 2·1 / (2 + 2)


def test_undefined_figures_are_none() -> None:
    """Without any pair there is no score, and None takes no part in a mean."""
    none = np.zeros((0, 4), np.int64)
    assert dice.mean_dice(none, none, none) is None
    assert dice.all_empty_mean_dice(none) is None
    assert dice.positive_dice(none, none, none) == [None] * 4
    assert dice.mean_defined([None, 0.5, None, 1.0]) == 0.75
    assert dice.mean_defined([None, None]) is None
    assert dice.mean_defined([]) is None


def test_figures_are_plain_numbers() -> None:
    """JSON takes the figures as they are."""
    one = np.ones((1, 1), np.int64)
    assert type(dice.mean_dice(one, one, one)) is float
    assert type(dice.all_empty_mean_dice(one)) is float
    assert type(dice.positive_dice(one, one, one)[0]) is float


def test_submitting_nothing_on_the_real_training_set(real_data: Path) -> None:
    """12,549 real images hold 7,078 masks in 50,196 pairs: nothing scores 1 - 7078 / 50196 = 0.85899."""
    with (real_data / "severstal-image-classes.csv").open(encoding="utf-8", newline="") as file:
        present = np.array([[int(row[f"c{number}"]) for number in (1, 2, 3, 4)] for row in csv.DictReader(file)])
    assert present.shape == (12_549, 4)
    assert present.sum(axis=0).tolist() == [893, 245, 5_141, 799]
    assert dice.all_empty_mean_dice(1000 * present) == pytest.approx(1 - 7_078 / 50_196, abs=1e-12)
    nothing = np.zeros_like(present)
    assert dice.mean_dice(nothing, present, nothing) == pytest.approx(0.85899, abs=5e-6)


def test_half_of_every_real_mask(real_data: Path) -> None:
    """Predicting every second run of 5,159 real masks scores what the areas in the table say, computed row by row."""
    intersection, true, expected = [], [], []
    with gzip.open(real_data / "severstal-train-annotations.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            lengths = [int(number) for number in row["EncodedPixels"].split()[1::2]]
            area, found = sum(lengths), sum(lengths[::2])
            true.append(area)
            intersection.append(found)
            expected.append(2 * found / (area + found))
    found_pixels = np.array(intersection)
    assert dice.mean_dice(found_pixels, np.array(true), found_pixels) == pytest.approx(sum(expected) / len(expected))
