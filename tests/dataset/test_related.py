"""Which folds a test image belongs together with."""

from pathlib import Path

import numpy as np
import pytest

from stages.dataset import duplicates, related
from stages.dataset.prepared import SIGNATURES, Dataset
from stages.pipeline.arrays import Float32


def axes(*numbers: int) -> Float32:
    """Signatures that do not correlate unless their numbers are the same."""
    return np.eye(duplicates.SIZE, dtype=np.float32)[list(numbers)]


@pytest.fixture
def data(prepared: Dataset, tmp_path: Path) -> Dataset:
    """12 images in three folds, image n in fold n % 3, none like another."""
    np.save(tmp_path / "prepared" / SIGNATURES, axes(*range(12)))
    return prepared


def test_a_near_duplicate_has_the_fold_of_its_original(data: Dataset) -> None:
    """Of image 5, of image 0, and of none."""
    assert related.folds_of(data, ["a", "b", "c"], axes(5, 0, 100), 0.6, None) == [{2}, {0}, set()]


def test_near_duplicates_of_near_duplicates_count(data: Dataset) -> None:
    """The second test image is like the first, which is like image 5 (held out); alone it would be like neither."""
    first = 0.65 * axes(5) + np.sqrt(1 - 0.65**2).astype(np.float32) * axes(100)
    second = axes(100)
    assert second @ axes(5).T == 0
    assert related.folds_of(data, ["a", "b"], np.concatenate([first, second]), 0.6, None) == [{2}, {2}]
    assert related.folds_of(data, ["b"], second, 0.6, None) == [set()]


def test_an_image_between_two_folds_has_both(data: Dataset) -> None:
    """It correlates with images 3 (fold 0) and 4 (fold 1) by 0.7 each."""
    between = np.float32(0.7) * (axes(3) + axes(4))
    assert related.folds_of(data, ["a"], between, 0.6, None) == [{0, 1}]


def test_what_belongs_together_by_name_does(data: Dataset) -> None:
    """By the first digit, 17.png joins 1.png, 10.png (fold 1 both) and 11.png (fold 2); a.png joins none."""
    assert related.folds_of(data, ["17.png", "a.png"], axes(100, 101), 0.6, r"^(\d)") == [{1, 2}, set()]


def test_no_test_images(data: Dataset) -> None:
    """Nothing belongs to anything."""
    assert related.folds_of(data, [], axes(), 0.6, None) == []
