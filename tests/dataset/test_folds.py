"""Folds: near-duplicates together, classes spread evenly, the same for the same seed."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from stages.dataset import folds


def pixels(*classes: tuple[int, ...], count: int = 3) -> np.ndarray:
    """Pixels of images that show these ClassIds."""
    table = np.zeros((len(classes), count), np.int64)
    for image, numbers in enumerate(classes):
        for class_id in numbers:
            table[image, class_id - 1] = 7
    return table


def test_every_kind_of_image_is_spread_evenly() -> None:
    """10 images of class 1, 20 of class 2 and 30 clean ones in five folds: 2, 4 and 6 in each."""
    table = pixels(*[(1,)] * 10, *[(2,)] * 20, *[()] * 30)
    fold = folds.assign(table, np.arange(60), 5, 42)
    assert fold.dtype == np.int64
    for kind, each in ((slice(0, 10), 2), (slice(10, 30), 4), (slice(30, 60), 6)):
        assert np.bincount(fold[kind], minlength=5).tolist() == [each] * 5


def test_the_rarest_class_of_an_image_decides() -> None:
    """Class 2 is rare and always stands beside the frequent class 1: it is spread evenly all the same."""
    table = pixels(*[(1, 2)] * 10, *[(1,)] * 40)
    fold = folds.assign(table, np.arange(50), 5, 42)
    assert np.bincount(fold[:10], minlength=5).tolist() == [2] * 5
    assert np.bincount(fold[10:], minlength=5).tolist() == [8] * 5


def test_near_duplicates_share_a_fold() -> None:
    """20 pairs of near-duplicates with different masks: both of a pair are always in one fold."""
    table = pixels(*[(1,), ()] * 20)
    groups = np.repeat(np.arange(20), 2)
    fold = folds.assign(table, groups, 5, 42)
    assert (fold[::2] == fold[1::2]).all()
    assert np.bincount(fold).tolist() == [8] * 5


def test_the_seed_decides() -> None:
    """The same seed gives the same folds; another seed gives others."""
    table, groups = pixels(*[(1,), (2,), ()] * 20), np.arange(60)
    first = folds.assign(table, groups, 5, 42)
    np.testing.assert_array_equal(folds.assign(table, groups, 5, 42), first)
    assert (folds.assign(table, groups, 5, 43) != first).any()


def test_a_class_rarer_than_folds() -> None:
    """Three images of a class in five folds: one each in three of them, and no warning reaches the user."""
    table = pixels(*[(1,)] * 3, *[()] * 27)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fold = folds.assign(table, np.arange(30), 5, 42)
    assert sorted(np.bincount(fold[:3], minlength=5).tolist()) == [0, 0, 1, 1, 1]


def test_every_kind_rarer_than_folds() -> None:
    """Eight images, no kind of them five times: five folds are made all the same."""
    table = pixels((1,), (1,), (2,), (2,), (3,), (3,), (), ())
    fold = folds.assign(table, np.arange(8), 5, 42)
    assert sorted(np.bincount(fold, minlength=5).tolist()) == [1, 1, 2, 2, 2]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_as_many_groups_as_folds(count: int) -> None:
    """With no more groups than folds, each group is a fold."""
    groups = np.repeat(np.arange(count), 4)
    fold = folds.assign(pixels(*[()] * 4 * count), groups, count, 42)
    assert sorted(fold[::4].tolist()) == list(range(count))


def test_fewer_groups_than_folds() -> None:
    """No fold is left empty without a word."""
    with pytest.raises(ValueError, match=r"as many groups as folds \(3\), found 2"):
        folds.assign(pixels((1,), (1,), (2,), ()), np.array([0, 0, 1, 1]), 3, 42)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("seed", range(5))
def test_the_folds_of_scikit_learn(count: int, seed: int) -> None:
    """Fold by fold what StratifiedGroupKFold gives for the rarest class of each image."""
    rng = np.random.default_rng([count, seed])
    images, rarest_first = 150, [3, 0, 1, 2]
    rarest = rng.choice(5, images, p=[0.04, 0.08, 0.12, 0.26, 0.5])  # the last: clean
    table = np.zeros((images, 4), np.int64)
    for image, kind in enumerate(rarest):
        table[image, rarest_first[kind:]] = 5  # with every class that is more frequent
    groups = rng.integers(0, 90, images)
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    expected = np.zeros(images, np.int64)
    for number, (_, members) in enumerate(splitter.split(table, rarest, groups)):
        expected[members] = number
    np.testing.assert_array_equal(folds.assign(table, groups, count, seed), expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_groups_stay_together_and_no_fold_is_empty(data: st.DataObject) -> None:
    """Whatever the images and groups, at least as many as folds: groups stay whole and every fold has an image."""
    count = data.draw(st.integers(2, 5))
    groups = np.array([*range(count), *data.draw(st.lists(st.integers(0, 8), max_size=30))])
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    table = (rng.random((len(groups), 3)) < [0.1, 0.3, 0.8]).astype(np.int64)
    fold = folds.assign(table, groups, count, 1)
    assert set(fold.tolist()) == set(range(count))
    for group in set(groups.tolist()):
        assert len(set(fold[groups == group].tolist())) == 1


def test_new_images_fill_the_gaps() -> None:
    """Fold 0 lacks an image of class 1, fold 1 a clean one: a new one of each goes there, and the old ones stay."""
    table = pixels((1,), (1,), (), (), (), (1,), ())
    kept = np.array([1, 2, 0, 0, 2, -1, -1])
    assert folds.assign(table, np.arange(7), 3, 42, kept).tolist() == [1, 2, 0, 0, 2, 0, 1]


def test_a_group_that_joins_two_folds() -> None:
    """It goes where most of its images were, but to the held-out fold if any was there. Its new image comes along."""
    table, groups = pixels(*[()] * 9), np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    kept = np.array([0, 0, 1, -1, 0, 0, 2, -1, 1])
    assert folds.assign(table, groups, 3, 42, kept).tolist() == [0, 0, 0, 0, 2, 2, 2, 2, 1]


def test_nothing_to_keep() -> None:
    """The same folds as without a table."""
    table, groups = pixels(*[(1,), (2,), ()] * 20), np.arange(60)
    expected = folds.assign(table, groups, 5, 42)
    np.testing.assert_array_equal(folds.assign(table, groups, 5, 42, np.full(60, -1)), expected)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_added_images_move_no_other(data: st.DataObject) -> None:
    """Old images keep their fold, groups stay whole, and no kind of image gets more unevenly spread."""
    count = data.draw(st.integers(2, 5))
    shown = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=40))
    added = data.draw(st.lists(st.integers(0, 3), max_size=20))
    kinds = np.array([*shown, *added])
    table = pixels(*[(kind,) if kind else () for kind in kinds])
    groups, seed = np.arange(len(kinds)), data.draw(st.integers(0, 9))
    old = folds.assign(table[: len(shown)], groups[: len(shown)], count, seed)
    kept = np.concatenate([old, np.full(len(added), -1)])
    fold = folds.assign(table, groups, count, seed, kept)
    np.testing.assert_array_equal(fold[: len(shown)], old)
    for kind in range(4):
        of_kind = [np.bincount(each[kinds[: len(each)] == kind], minlength=count) for each in (old, fold)]
        before, after = (int(each.max() - each.min()) for each in of_kind)
        assert after <= max(before, 1) or np.bincount(kinds).max() < count  # then all are of one stratum
    np.testing.assert_array_equal(folds.assign(table, groups, count, seed, kept), fold)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_kept_folds_with_groups(data: st.DataObject) -> None:
    """Whatever is joined: groups stay whole, what was held out remains it, and an image moves only with its group."""
    count, size = data.draw(st.integers(2, 4)), data.draw(st.integers(4, 30))
    draw = np.random.default_rng(data.draw(st.integers(0, 999)))
    groups = np.concatenate([np.arange(count), draw.integers(0, 12, size)])
    kept = draw.integers(-1, count, len(groups))
    table = (draw.random((len(groups), 3)) < [0.1, 0.3, 0.8]).astype(np.int64)
    fold = folds.assign(table, groups, count, 1, kept)
    assert (fold[kept == count - 1] == count - 1).all()
    for group in set(groups.tolist()):
        members = groups == group
        assert len(set(fold[members].tolist())) == 1
        stated = set(kept[members & (kept >= 0)].tolist())
        assert not stated or fold[members][0] in stated
