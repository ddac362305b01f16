"""Run lengths: hand-drawn masks with exact strings, every error, and all real masks against a second implementation."""

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from stages.dataset import label_maps, rle

MARKER = "(texts for an empty mask belong into competition.run_lengths.empty)"

# Masks of 2×3 pixels, numbered  1 3 5
#                                2 4 6
DRAWN = [
    ([[0, 0, 0], [0, 0, 0]], ""),
    ([[1, 1, 1], [1, 1, 1]], "1 6"),
    ([[1, 0, 0], [0, 0, 0]], "1 1"),
    ([[0, 0, 0], [1, 0, 0]], "2 1"),  # row by row: 4 1
    ([[0, 1, 0], [0, 0, 0]], "3 1"),  # row by row: 2 1
    ([[0, 0, 0], [0, 0, 1]], "6 1"),
    ([[1, 1, 1], [0, 0, 0]], "1 1 3 1 5 1"),  # row by row: 1 3
    ([[0, 0, 0], [1, 1, 1]], "2 1 4 1 6 1"),
    ([[0, 1, 0], [1, 0, 0]], "2 2"),  # a run goes on in the next column
    ([[1, 0, 1], [1, 0, 1]], "1 2 5 2"),
    ([[1, 0, 0], [0, 0, 1]], "1 1 6 1"),
    ([[0, 1, 1], [1, 1, 1]], "2 5"),
    ([[1, 1, 1], [1, 1, 0]], "1 5"),
]

WRONG = [
    ("1", "expected pairs of start and length, found 1 numbers, an odd count"),
    ("1 2 3", "expected pairs of start and length, found 3 numbers, an odd count"),
    ("1 1 x 2", "expected whole numbers separated by spaces, found 'x'"),
    (
        "nan",
        "expected whole numbers separated by spaces, found 'nan' " + MARKER,
    ),
    (
        "-1",
        "expected whole numbers separated by spaces, found '-1' " + MARKER,
    ),
    ("1.0 2.0", "expected whole numbers separated by spaces, found '1.0'"),
    ("1e1 1", "expected whole numbers separated by spaces, found '1e1'"),
    ("1,2", "expected whole numbers separated by spaces, found '1,2'"),
    ("1\t2", "expected whole numbers separated by spaces, found '1\\t2'"),
    ("1 2\n", "expected whole numbers separated by spaces, found '2\\n'"),
    ("١ 1", "expected whole numbers separated by spaces, found '١'"),
    ("1 ²", "expected whole numbers separated by spaces, found '²'"),
    (f"{'x' * 99} 1", f"expected whole numbers separated by spaces, found '{'x' * 20}'"),
    ("0 1", "expected every start in 1 … 6 (2×3 pixels), found 0"),
    ("7 1", "expected every start in 1 … 6 (2×3 pixels), found 7"),
    ("1 0", "expected every length in 1 … 6 (2×3 pixels), found 0"),
    ("1 7", "expected every length in 1 … 6 (2×3 pixels), found 7"),
    ("1 9223372036854775807", "expected every length in 1 … 6 (2×3 pixels), found 9223372036854775807"),
    ("1 2 5 3", "expected runs inside 2×3 = 6 pixels, found 5 3, which ends at 7"),
    ("1 3 3 1", "expected ascending runs that do not overlap, found 1 3 followed by 3 1, which overlaps"),
    ("2 1 2 1", "expected ascending runs that do not overlap, found 2 1 followed by 2 1, which overlaps"),
    ("5 1 1 2", "expected ascending runs that do not overlap, found 5 1 followed by 1 2, which is not ascending"),
]


@pytest.mark.parametrize(("mask", "text"), DRAWN)
def test_hand_drawn_masks(mask: list[list[int]], text: str) -> None:
    """A mask and its text, both written by hand, become one another."""
    assert rle.encode(np.array(mask, np.uint8)) == text
    decoded = rle.decode(text, 2, 3)
    assert (decoded.dtype, decoded.tolist()) == (np.bool_, np.array(mask, bool).tolist())


def test_kinds_of_masks_that_encode_takes() -> None:
    """Lists, booleans, floats and label values write the same text; what is not 0 is inside."""
    mask = np.array([[0, 1, 0], [1, 0, 0]])
    for kind in (mask.tolist(), mask.astype(bool), mask.astype(np.float32), 4 * mask, np.asfortranarray(mask)):
        assert rle.encode(kind) == "2 2"
    assert rle.encode(mask[:, ::-1]) == "3 1 6 1"  # a view with a negative stride


def test_encode_of_a_size_of_nothing() -> None:
    """A mask without pixels has no runs."""
    assert rle.encode(np.zeros((0, 3))) == ""


def test_runs_are_counted_from_0() -> None:
    """`runs` gives starts from 0, and lengths whose sum is the area."""
    starts, lengths = rle.parse("1 2 4 3", 2, 3)
    assert (starts.tolist(), lengths.tolist(), starts.dtype) == ([0, 3], [2, 3], np.int64)
    assert [values.tolist() for values in rle.parse("", 2, 3)] == [[], []]


def test_spaces_that_do_not_matter() -> None:
    """Spaces around and between numbers change nothing, and spaces alone are the empty mask."""
    assert rle.decode(" 1  2 ", 2, 3).sum() == 2
    assert not rle.decode("  ", 2, 3).any()


def test_runs_that_touch_are_read_as_one() -> None:
    """Two runs that touch are valid, and are written as one."""
    assert rle.encode(rle.decode("1 2 3 2", 2, 3)) == "1 4"


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_texts(text: str, message: str) -> None:
    """Each fault is reported with what was expected and found, by `decode` and `parse` alike."""
    for read in (rle.parse, rle.decode):
        with pytest.raises(rle.RunLengthError) as reported:
            read(text, 2, 3)
        assert str(reported.value) == message


def test_a_number_beyond_64_bits_is_refused() -> None:
    """A number too large for an integer of 64 bits does not wrap around into a valid one."""
    with pytest.raises(rle.RunLengthError, match=r"expected every start in 1 … 6 .*found 18446744073709551617"):
        rle.parse(f"{2**64 + 1} 1", 2, 3)
    with pytest.raises(rle.RunLengthError, match=r"expected every length in 1 … 6 .*found 9{40}$"):
        rle.parse(f"1 1 3 {'9' * 5000}", 2, 3)


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_round_trip_of_random_masks(mask: np.ndarray) -> None:
    """Any mask survives, its runs neither touch nor overlap, and pixel number 1 + row + column · height is inside."""
    height, width = mask.shape
    text = rle.encode(mask)
    np.testing.assert_array_equal(rle.decode(text, height, width), mask)
    starts, lengths = rle.parse(text, height, width)
    assert (starts[1:] > starts[:-1] + lengths[:-1]).all()
    numbers = {start + step + 1 for start, length in zip(starts, lengths, strict=True) for step in range(length)}
    assert numbers == {1 + row + column * height for row, column in np.argwhere(mask)}


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789 -.x\n", max_size=12))
def test_any_text_is_a_mask_or_an_error_of_its_own(text: str) -> None:
    """Whatever stands in a table, nothing but a `RunLengthError` comes out, and what is read has the right area."""
    try:
        mask = rle.decode(text, 3, 4)
    except rle.RunLengthError:
        return
    assert mask.sum() == sum(int(number) for number in text.split()[1::2])


def ascending(steps: list[int]) -> str:
    """Runs that follow one another, of these gaps and lengths: most are valid."""
    text, place = [], 0
    for gap, length in zip(steps[::2], steps[1::2], strict=False):
        text += [place + gap, length]
        place += gap + length - 1
    return " ".join(map(str, text))


def slowly(text: str, height: int, width: int) -> list[list[int]] | None:
    """The mask of a run-length text, pixel by pixel as the competition's page says it; None where that says nothing."""
    words = text.split(" ")
    numbers = [int(word) for word in words if word] if all(set(word) <= set("0123456789") for word in words) else [0]
    mask = [[0] * width for _ in range(height)]
    next_free = 1
    if len(numbers) % 2:
        return None
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        if start < next_free or length < 1 or start - 1 + length > height * width:
            return None
        for number in range(start, start + length):
            mask[(number - 1) % height][(number - 1) // height] = 1
        next_free = start + length
    return mask


NUMBERS = st.integers(0, 14).map(str) | st.sampled_from(
    ["-1", "007", str(2**63), str(2**64 + 1), "nan", "1.0", "", "+1"]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(NUMBERS, max_size=8).map(" ".join) | st.lists(st.integers(1, 4), max_size=6).map(ascending))
def test_decoding_and_refusing_as_pixel_by_pixel(text: str) -> None:
    """A slow second implementation agrees: on what is drawn, on the shortest text, and on what is refused."""
    expected = slowly(text, 3, 4)
    if expected is None:
        with pytest.raises(rle.RunLengthError, match=r"expected .*, found "):
            rle.decode(text, 3, 4)
    else:
        mask = rle.decode(text, 3, 4)
        assert mask.tolist() == np.array(expected, bool).tolist()
        assert rle.decode(rle.encode(mask), 3, 4).tolist() == mask.tolist()
        assert len(rle.encode(mask).split()) <= len(text.split())


def test_all_real_masks(real_data: Path) -> None:
    """5,159 real masks come back letter for letter, and pycocotools sees the same runs, areas and pixels in them."""
    count = 0
    for text in _real_masks(real_data):
        mask = rle.decode(text, 256, 1600)
        assert rle.encode(mask) == text
        theirs = coco.encode(np.asfortranarray(mask, np.uint8))
        assert coco.area(theirs) == sum(int(length) for length in text.split()[1::2])
        # Their lengths of alternate runs outside and inside, worked out from the text, give their very bytes.
        drawn = coco.frPyObjects({"size": [256, 1600], "counts": _alternating(text, 256 * 1600)}, 256, 1600)
        assert drawn["counts"] == theirs["counts"]
        count += 1
    assert count == 5159


def test_a_label_map_is_drawn_column_by_column() -> None:
    """Pixels 2 to 4 of a 2×3 image run down the columns; where masks overlap, the higher ClassId shows."""
    masks = [(2, "4 1"), (1, "2 3"), (1, "")]
    found = label_maps.label_map([(class_id, rle.parse(text, 2, 3)) for class_id, text in masks], 2, 3)
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 2, 0]])
    assert (found.dtype, found.flags.c_contiguous) == (np.uint8, True)
    assert not label_maps.label_map([], 2, 3).any()


def _real_masks(real_data: Path) -> Iterator[str]:
    with gzip.open(real_data / "severstal-train-annotations.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["EncodedPixels"]


def _alternating(text: str, pixels: int) -> list[int]:
    numbers = [int(number) for number in text.split()]
    counts, end = [], 0
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        counts += [start - 1 - end, length]
        end = start - 1 + length
    return counts + [pixels - end] * (end < pixels)
