"""Label maps and planes: two forms of the same masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.dataset import label_maps, rle

LABELS = np.array([[0, 1, 1], [2, 0, 1]], np.uint8)
PLANES = np.stack([LABELS == 1, LABELS == 2], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("labels", [LABELS, PLANES])
def test_both_forms_say_the_same(labels: np.ndarray) -> None:
    """Masks, pixels, classes that are there, and whatever has a class."""
    np.testing.assert_array_equal(label_maps.of_class(labels, 2), [[0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(label_maps.anything(labels), [[0, 1, 1], [1, 0, 1]])
    assert label_maps.pixels(labels, 2).tolist() == [2, 3, 1]
    assert label_maps.present(labels) == [1, 2]


def test_planes_keep_what_a_label_map_hides() -> None:
    """Pixel 2 belongs to both classes: the label map gives it to the higher one."""
    masks = [(1, rle.parse("1 2", 2, 1)), (2, rle.parse("2 1", 2, 1))]
    assert label_maps.claimed_twice(masks)
    assert label_maps.drawn(masks, 2, (2, 1)).tolist() == [[1], [2]]
    assert label_maps.drawn(masks, 2, (2, 1), overlapping=True).tolist() == [[[1, 0]], [[1, 1]]]
    assert label_maps.pixels(label_maps.drawn(masks, 2, (2, 1), overlapping=True), 2).tolist() == [0, 2, 1]


def test_two_masks_of_one_class_claim_nothing_twice() -> None:
    """Rows of one object each are joined."""
    assert not label_maps.claimed_twice([(1, rle.parse("1 2", 2, 1)), (1, rle.parse("2 1", 2, 1))])


@given(
    arrays.arrays(
        np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 8)), elements=st.integers(0, 1)
    )
)
def test_bits_come_back_as_planes(planes: np.ndarray) -> None:
    """Up to eight classes in a byte."""
    np.testing.assert_array_equal(label_maps.unpacked(label_maps.packed(planes), planes.shape[-1]), planes)
