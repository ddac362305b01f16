"""Alarms on the data: what differs is told, what chance makes is not."""

import numpy as np
import pytest

from stages.dataset import shift

SHAPE = (8, 16)


def described(image: np.ndarray) -> dict[str, float]:
    """Features by name."""
    return dict(zip(shift.FEATURES, shift.features(image.astype(np.uint8)).tolist(), strict=True))


def noisy(count: int, brightness: float = 100, seed: int = 0) -> np.ndarray:
    """Features of images of noise, each a little brighter or darker than the next."""
    generator = np.random.default_rng(seed)
    levels = brightness + 10 * generator.standard_normal((count, 1, 1))
    pixels = np.clip(levels + 5 * generator.standard_normal((count, *SHAPE)), 0, 255).astype(np.uint8)
    return np.array([shift.features(image) for image in pixels])


def last(count: int, of: int) -> np.ndarray:
    """The last images are the second set."""
    return np.arange(of) >= of - count


def test_features_of_an_even_image() -> None:
    """An even image has one grey level everywhere, no spread and no texture."""
    found = described(np.full(SHAPE, 7))
    plain = {name for name in shift.FEATURES if name.startswith(("brightness", "quantile", "light"))}
    assert found == dict.fromkeys(shift.FEATURES, 0) | dict.fromkeys(plain, 7) | {"black": 1}


def test_features_by_hand() -> None:
    """Columns of 0, 0, 40 and 100: brightness 35, half black, steps 0, 40 and 60 across and none down."""
    found = described(np.tile([0, 0, 40, 100], (4, 1)))
    assert found["brightness"] == 35
    assert found["spread"] == pytest.approx(np.sqrt((2 * 35**2 + 5**2 + 65**2) / 4))
    assert found["black"] == 0.5
    assert [found[f"quantile {q}"] for q in (0.05, 0.25, 0.5, 0.75, 0.95)] == [0, 0, 0, 40, 100]
    assert found["texture across"] == pytest.approx(np.sqrt((40**2 + 60**2) / 3))
    assert found["texture down"] == 0


def test_black_ends_at_16() -> None:
    """15 is black, 16 is not."""
    assert described(np.array([[15, 16]]))["black"] == 0.5


def test_the_grid_is_read_row_by_row() -> None:
    """The brightest eighth of the top row is where it was drawn, and nowhere else."""
    image = np.zeros((16, 32))
    image[4:8, 8:12] = 80  # second row, third column of 4×8
    found = described(image)
    assert {name: value for name, value in found.items() if name.startswith("light") and value} == {
        "light in row 2, column 3 of 4×8": 80
    }


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 1), (3, 5)])
def test_any_size_has_features(shape: tuple[int, int]) -> None:
    """Images smaller than the grid and without neighbours work as well."""
    assert np.isfinite(shift.features(np.full(shape, 9, np.uint8))).all()


def test_random_sets_raise_no_alarm() -> None:
    """Of 5 random splits of the same images, none is told apart surely."""
    images, generator = noisy(100), np.random.default_rng(1)
    for _ in range(5):
        second = generator.permutation(last(25, 100))
        found = shift.separation(images, second, np.arange(100))
        assert found is not None
        assert not found.is_problem
        assert not any(difference.is_problem for difference in shift.differences(images, second, np.arange(100))[:3])


def test_brighter_images_are_told_apart() -> None:
    """Sets that differ by three standard deviations of brightness alarm, and the difference is named."""
    images = np.concatenate([noisy(60), noisy(20, brightness=130, seed=1)])
    found = shift.separation(images, last(20, 80), np.arange(80))
    assert found is not None
    assert found.is_problem
    assert found.auc > 0.9
    assert 0.55 < found.low < found.auc <= found.high <= 1
    brightness = shift.differences(images, last(20, 80), np.arange(80))[0]
    assert brightness.feature == "brightness"
    assert brightness.is_problem
    assert (brightness.first, brightness.second) == (pytest.approx(100, abs=3), pytest.approx(130, abs=6))


def test_two_runs_find_the_same() -> None:
    """Trees and parts are drawn from fixed seeds."""
    images = noisy(40)
    first, again = (shift.separation(images, last(15, 40), np.arange(40)) for _ in range(2))
    assert first == again


def test_copies_of_an_image_are_not_recognised() -> None:
    """Ten strips a set, each photographed eight times: trees that had seen a strip's copies would know its set."""
    images = np.repeat(noisy(20), 8, axis=0)
    second = last(80, 160)
    as_groups = shift.separation(images, second, np.repeat(np.arange(20), 8))
    as_images = shift.separation(images, second, np.arange(160))
    assert as_groups is not None
    assert as_images is not None
    assert as_images.is_problem
    assert not as_groups.is_problem


def test_too_few_groups_are_not_judged() -> None:
    """Nine groups on one side are too few, however many images; ten are enough."""
    images, groups = noisy(60), np.concatenate([np.arange(40), 40 + np.arange(20) % 9])
    assert shift.separation(images, last(20, 60), groups) is None
    groups[-1] = 99
    assert shift.separation(images, last(20, 60), groups) is not None
    assert shift.separation(images, last(0, 60), groups) is None


def test_error_of_an_auc() -> None:
    """At one half it is the rank test's, (m + n + 1) / 12mn; at 2/3 over 2 and 3 images by hand; at 1 there is none."""
    assert shift.auc_error(0.5, 58, 51) == pytest.approx(np.sqrt(110 / (12 * 58 * 51)))
    # 2/9 + (3 - 1) (1/2 - 4/9) + (2 - 1) (8/15 - 4/9) = 38/90, of 6 pairs
    assert shift.auc_error(2 / 3, 2, 3) == pytest.approx(np.sqrt(38 / 540))
    assert shift.auc_error(1.0, 58, 51) == 0


@pytest.mark.parametrize(
    ("auc", "low", "is_problem"), [(0.61, 0.56, True), (0.6, 0.59, False), (0.7, 0.55, False), (0.3, 0.2, False)]
)
def test_an_auc_is_a_problem_when_large_and_sure(auc: float, low: float, is_problem: bool) -> None:
    """Both bounds are strict; an AUC below one half is no alarm."""
    assert shift.Separation(auc, low, 1.0).is_problem is is_problem


def test_differences_by_hand() -> None:
    """Brightness 90 and 110 against 120 and 140: 30 apart, a standard deviation of 14.14, a d of 2.12."""
    images = np.zeros((4, len(shift.FEATURES)), np.float32)
    images[:, 0] = [90, 110, 120, 140]
    found = {difference.feature: difference for difference in shift.differences(images, last(2, 4), np.arange(4))}
    of = found["brightness"]
    assert (of.first, of.second) == (100, 130)
    assert of.d == pytest.approx(30 / np.sqrt(200))
    assert of.error == pytest.approx(np.sqrt(4 / 4 + of.d**2 / 8))
    assert found["spread"].d == 0
    assert not of.is_problem  # 2.12 less 1.96 errors of 1.25 is nothing
    assert shift.Difference("brightness", 100, 130, -2.12, 0.1).is_problem


def test_small_differences_of_even_images_do_not_matter() -> None:
    """A tenth of a grey level is no alarm, though every image of one set is brighter than all of the other."""
    images = np.zeros((80, len(shift.FEATURES)), np.float32)
    images[40:, 0] = 0.1
    brightness = shift.differences(images, last(40, 80), np.arange(80))[0]
    assert brightness.d == pytest.approx(0.1)
    assert not brightness.is_problem


def test_differences_need_both_sets() -> None:
    """Without test images there is nothing to compare."""
    assert shift.differences(noisy(3), last(0, 3), np.arange(3)) == []


# Correlations: a·b = 0.8, b·c = 0.96, a·c = 0.6, and d is at right angles to all.
A, B, C, APART = (1, 0, 0), (0.8, 0.6, 0), (0.6, 0.8, 0), (0, 0, 1)


@pytest.mark.parametrize(
    ("folds", "threshold", "largest", "pairs"),
    [
        ([0, 0, 0, 1], 0.7, 0, 0),
        ([0, 1, 1, 1], 0.7, 0.8, 1),
        ([0, 1, 1, 1], 0.55, 0.8, 2),
        ([0, 1, 2, 3], 0.7, 0.96, 2),
        ([0, 0, 0, 0], 0.1, None, 0),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 3, 1024])
def test_pairs_across_folds(
    folds: list[int],
    threshold: float,
    largest: float | None,
    pairs: int,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every pair of different folds counts once, wherever blocks end; pairs within a fold do not count."""
    monkeypatch.setattr(shift, "_BLOCK", block)
    found = shift.across_folds(np.array([A, B, C, APART], np.float32), np.array(folds), threshold)
    assert found == (largest if largest is None else pytest.approx(largest), pairs)


@pytest.mark.parametrize("block", [1, 2, 1024])
def test_nearest_of_the_others(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image finds its closest other, wherever blocks end, and -1 where there is none."""
    monkeypatch.setattr(shift, "_BLOCK", block)
    signatures, others = np.array([A, APART, C], np.float32), np.array([B, A, B], np.float32)
    np.testing.assert_allclose(shift.nearest(signatures, others), [1, 0, 0.96], rtol=1e-6)
    assert shift.nearest(signatures, others[:0]).tolist() == [-1, -1, -1]
    assert shift.nearest(signatures[:0], others).tolist() == []
