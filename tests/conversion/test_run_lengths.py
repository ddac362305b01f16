"""COCO's run lengths, compared with those of pycocotools, and what it would accept although it is wrong."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.conversion import run_lengths


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 60)), elements=st.integers(0, 1)))
def test_what_pycocotools_writes(mask: np.ndarray) -> None:
    """The text of any mask gives that mask."""
    coco_masks = pytest.importorskip("pycocotools.mask")
    encoded = coco_masks.encode(np.asfortranarray(mask))
    decoded = run_lengths.decode(encoded | {"counts": encoded["counts"].decode()}, mask.shape)
    np.testing.assert_array_equal(decoded, mask.astype(np.bool_))


def test_long_runs_and_differences() -> None:
    """Numbers beyond 5 bits, and differences to the one before the last that are negative."""
    coco_masks = pytest.importorskip("pycocotools.mask")
    counts = [0, 100_000, 1, 3, 2, 99_994]
    encoded = coco_masks.frPyObjects({"size": [200, 1000], "counts": counts}, 200, 1000)
    size, text = (200, 1000), encoded["counts"].decode()
    expected = run_lengths.decode({"size": size, "counts": counts}, size)
    np.testing.assert_array_equal(run_lengths.decode({"size": size, "counts": text}, size), expected)
    assert expected.sum() == 199_997


def test_columns_come_first() -> None:
    """Row by row, the second pixel would lie to the right of the first."""
    assert run_lengths.decode({"size": [2, 3], "counts": [1, 1, 4]}, (2, 3)).tolist() == [
        [False] * 3,
        [True, False, False],
    ]


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ({"size": [3, 3], "counts": [0, 5]}, "expected counts whose sum is 3×3 = 9, found 5"),
        ({"size": [3, 3], "counts": "05"}, "expected counts whose sum is 3×3 = 9, found 5"),
        ({"size": [3, 3], "counts": [3, 7]}, "expected counts whose sum is 3×3 = 9, found 10"),
        ({"size": [3, 3], "counts": [0, -3, 12]}, "expected counts of whole numbers from 0 on"),
        ({"size": [3, 3], "counts": [1.5, 7.5]}, "expected counts of whole numbers from 0 on"),
        ({"size": [3, 3], "counts": "0 9"}, "found the character ' '"),
        ({"size": [3, 3], "counts": "0P"}, "found a text that is cut off"),
        ({"size": [3, 4], "counts": [0, 12]}, "expected a mask of [3, 3] pixels (height, width), found [3, 4]"),
        ({"size": 9, "counts": [9]}, "expected a mask of [3, 3] pixels (height, width), found 9"),
        ({"counts": [9]}, "with size and counts"),
    ],
)
def test_runs_that_do_not_fill_the_mask(encoded: Any, message: str) -> None:
    """The rest would be whatever lay in memory."""
    with pytest.raises(ValueError, match=re.escape(message)):
        run_lengths.decode(encoded, (3, 3))
