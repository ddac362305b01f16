"""Run lengths, the form in which competitions write masks.

A mask is a list of `start length` pairs in ascending order. The pairs that we write neither overlap nor touch. In the
usual notation, Severstal's, pixels are numbered from 1, **top to bottom, then left to right** (column by column), and
the empty mask is "". `stages.dataset.layout.RunLengths` describes others: row by row, from 0, relative starts.

    >>> encode(np.array([[0, 0], [1, 0]]))      # row by row this would be "3 1"
    '2 1'
    >>> decode("2 1", 2, 2)
    array([[False, False],
           [ True, False]])

Source: the competition's evaluation page, https://www.kaggle.com/c/severstal-steel-defect-detection/overview/evaluation

No library reads this form: COCO's run lengths (pycocotools) count from 0, alternate with gaps, and are not validated.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from stages.dataset.layout import RunLengths
from stages.pipeline.arrays import Bool, Int64, UInt8

USUAL = RunLengths()
MARKERS = ("-1", "-", "nan", "NaN", "None", "null")  # of an empty mask in some tables; read only where that is stated
_DIGITS_AND_SPACES = b"0123456789 "
_LAST_OF_WORD = np.uint64(1 << 63)


class RunLengthError(ValueError):
    """A run-length text is not a mask of the given size. The message says what was expected and what was found."""


class Runs(NamedTuple):
    """A mask as checked runs of pixels.

    Attributes:
        starts: first pixel of each run, int64, counted from **0**, column by column.
        lengths: pixels of each run, int64, at least 1.
    """

    starts: Int64
    lengths: Int64

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.lengths.sum())


def is_empty(text: str, notation: RunLengths = USUAL, *markers: str) -> bool:
    """Whether a field of a table holds no mask: nothing but spaces, or one of the notation's or of further markers.

    Nothing else decides this. Other white space, such as a form feed, is no space: `parse` refuses it.
    """
    bare = text.strip(" ")
    return not bare or any(bare == marker.strip(" ") for marker in (*notation.empty, *markers))


def parse(text: str, height: int, width: int, notation: RunLengths = USUAL) -> Runs:
    """Read and check a run-length text without drawing it.

    Args:
        text: `start length` pairs, separated by spaces; "" is the empty mask.
        height, width: size of the image in pixels.
        notation: how pixels are numbered. The result does not depend on it:

        >>> parse("2 1", 2, 3).starts, parse("3 1", 2, 3, RunLengths("rows", 0)).starts
        (array([1]), array([1]))

    Raises:
        RunLengthError: not whole numbers, an odd count, a length of 0, not ascending, overlapping, or outside the
            image.
    """
    if is_empty(text, notation):
        return Runs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    numbers = _numbers(text)
    pixels = height * width
    if notation.first_pixel == "relative":
        numbers = _absolute(numbers, text, height, width)
    elif notation.first_pixel == 0:
        if (numbers[0::2] >= pixels).any():
            found = text.split()[2 * int((numbers[0::2] >= pixels).argmax())]
            raise RunLengthError(
                f"expected every start in 0 … {pixels - 1} ({height}×{width} pixels), found {found[:40]}"
            )
        numbers[0::2] += 1
    starts, lengths = numbers[0::2] - 1, numbers[1::2]
    if not _are_valid(numbers, starts + lengths, pixels):
        raise _fault(numbers, text, height, width, 0 if notation.first_pixel == 0 else 1)
    if notation.order == "rows":
        numbers = _edges(_drawn(Runs(starts, lengths), pixels).reshape(height, width))
        return Runs(numbers[0::2], numbers[1::2])
    return Runs(starts, lengths)


def _are_valid(numbers: Int64, ends: Int64, pixels: int) -> bool:
    """Whether starts, from 1, and lengths are runs inside the image, ascending, that do not overlap.

    Each number is bounded, so that a huge one whose sum in `ends` wraps around is refused.
    """
    return bool(
        numbers.min() >= 1
        and numbers.max() <= pixels
        and ends[-1] <= pixels
        and (numbers[2::2] > ends[:-1]).all()  # ascending, so that no other run ends later than the last
    )


def _fault(numbers: Int64, text: str, height: int, width: int, first: int) -> RunLengthError:
    """What is wrong with runs that are not valid; `first`: the number that the text gives to the first pixel."""
    pixels = height * width
    for place, name in enumerate(("start", "length")):
        wrong = (numbers[place::2] < 1) | (numbers[place::2] > pixels)
        if wrong.any():
            found = text.split()[2 * int(wrong.argmax()) + place]  # as written: it may be beyond 64 bits
            return RunLengthError(
                f"expected every {name} in 1 … {pixels} ({height}×{width} pixels), found {found[:40]}"
            )
    starts, lengths = numbers[0::2] - 1, numbers[1::2]
    ends = starts + lengths
    if ends.max() > pixels:
        run = int(ends.argmax())
        return RunLengthError(
            f"expected runs inside {height}×{width} = {pixels} pixels, "
            f"found {starts[run] + first} {lengths[run]}, which ends at {ends[run] - 1 + first}"
        )
    run = int((starts[1:] < ends[:-1]).argmax())
    what = "is not ascending" if starts[run + 1] < starts[run] else "overlaps"
    return RunLengthError(
        f"expected ascending runs that do not overlap, found {starts[run] + first} {lengths[run]} "
        f"followed by {starts[run + 1] + first} {lengths[run + 1]}, which {what}"
    )


def _absolute(numbers: Int64, text: str, height: int, width: int) -> Int64:
    """Starts from 1, for starts that count from the end of the run before."""
    pixels = height * width
    gaps, lengths = numbers[0::2], numbers[1::2]
    if (numbers > pixels).any() or (lengths < 1).any() or numbers.sum() > pixels:
        wrong = (numbers > pixels) | (np.arange(len(numbers)) % 2 == 1) & (numbers < 1)
        found = text.split()[int(wrong.argmax())][:40] if wrong.any() else f"{numbers.sum()} in all"
        raise RunLengthError(
            f"expected gaps of at least 0 and lengths of at least 1, at most {pixels} together ({height}×{width} "
            f"pixels), found {found}"
        )
    ends = np.cumsum(numbers)
    return np.stack([ends[0::2] + 1, lengths], axis=1).reshape(-1) if len(gaps) else numbers


def _numbers(text: str) -> Int64:
    """The numbers of a run-length text that is not empty, an even count."""
    if text.encode().translate(None, _DIGITS_AND_SPACES):
        found = next(word for word in text.split(" ") if not (word.isascii() and word.isdigit()) and word)
        known = text.strip(" ") in MARKERS
        hint = " (texts for an empty mask belong into competition.run_lengths.empty)" if known else ""
        raise RunLengthError(f"expected whole numbers separated by spaces, found {found[:20]!r}{hint}")
    numbers = np.fromstring(text, dtype=np.int64, sep=" ")
    if len(numbers) % 2:
        raise RunLengthError(f"expected pairs of start and length, found {len(numbers)} numbers, an odd count")
    return numbers


def decode(text: str, height: int, width: int, notation: RunLengths = USUAL) -> Bool:
    """Draw a run-length text.

    Returns:
        Boolean mask of shape (height, width), True inside.

    Raises:
        RunLengthError: as in `parse`.
    """
    return draw(parse(text, height, width, notation), height, width)


def draw(runs: Runs, height: int, width: int) -> Bool:
    """A boolean mask of shape (height, width), True inside."""
    return _columns(runs, height, width).T


def _columns(runs: Runs, height: int, width: int) -> Bool:
    """Draw a mask column by column: boolean of shape (width, height)."""
    return _drawn(runs, height * width).reshape(width, height)


def _drawn(runs: Runs, pixels: int) -> Bool:
    """One boolean per pixel, in the order in which the runs count."""
    return filled(runs, np.uint8(1), pixels).view(np.bool_)


def filled(runs: Runs, values: UInt8 | np.uint8, pixels: int) -> UInt8:
    """One number per pixel, in the order in which the runs count: `values` of each run or of all; 0 outside of them.

    Raises:
        ValueError: runs that overlap, are not ascending, or lead outside.
    """
    starts, lengths = runs
    edges = np.zeros(2 * len(starts) + 2, np.int64)  # where outside and inside alternate
    edges[1:-1:2], edges[2:-1:2], edges[-1] = starts, starts + lengths, pixels
    inside = np.zeros(len(edges) - 1, np.uint8)
    inside[1::2] = values
    return np.repeat(inside, np.diff(edges))  # five times as fast as a loop over the runs


def overlap(masks: Sequence[Runs]) -> bool:
    """Whether two of the masks have a pixel in common.

    >>> overlap([Runs(np.array([4]), np.array([2])), Runs(np.array([0, 6]), np.array([4, 1]))])
    False
    """
    if len(masks) < 2:
        return False
    starts = np.concatenate([runs.starts for runs in masks])
    ends = starts + np.concatenate([runs.lengths for runs in masks])
    order = starts.argsort()
    return bool((starts[order][1:] < np.maximum.accumulate(ends[order])[:-1]).any())


def joined(parts: Sequence[Runs]) -> Runs:
    """The union of masks: ascending runs that neither overlap nor touch, so that a mask has one form.

    >>> joined([Runs(np.array([4]), np.array([2])), Runs(np.array([0, 6]), np.array([1, 1]))])
    Runs(starts=array([0, 4]), lengths=array([1, 3]))
    """
    if len(parts) == 1 and (parts[0].starts[1:] > (parts[0].starts + parts[0].lengths)[:-1]).all():
        return parts[0]  # as most are written
    starts = np.concatenate([part.starts for part in parts])
    ends = starts + np.concatenate([part.lengths for part in parts])
    order = starts.argsort(kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    begins = np.ones(len(starts), np.bool_)
    begins[1:] = starts[1:] > ends[:-1]
    last = np.flatnonzero(np.append(begins[1:], True)) if len(starts) else np.zeros(0, np.int64)
    return Runs(starts[begins], ends[last] - starts[begins])


def encode(mask: npt.ArrayLike, notation: RunLengths = USUAL) -> str:
    """Write a mask as run lengths; the inverse of `decode`.

    Args:
        mask: shape (height, width), any dtype; every non-zero pixel is inside.
        notation: how pixels are numbered.

    Returns:
        `start length` pairs, ascending, as few as possible; "" for the empty mask.
    """
    inside = np.asarray(mask).astype(np.bool_, copy=False)
    numbers = _edges(inside.T if notation.order == "rows" else inside)
    if notation.first_pixel == "relative":
        ends = numbers[0::2] + numbers[1::2]
        numbers[2::2] -= ends[:-1]
    else:
        numbers[0::2] += notation.first_pixel
    return ("%d " * len(numbers))[:-1] % tuple(numbers.tolist())  # in half the time of joining them one by one


def runs(mask: npt.ArrayLike) -> Runs:
    """A mask of shape (height, width) as runs."""
    numbers = _edges(np.asarray(mask).astype(np.bool_, copy=False))
    return Runs(numbers[0::2], numbers[1::2])


def _edges(inside: Bool) -> Int64:
    """Start (from 0) and length of each run, in turns, column by column."""
    if not inside.size:
        return np.zeros(0, np.int64)
    if inside.flags.c_contiguous:  # row by row: OpenCV transposes faster than NumPy
        flat = np.asarray(cv2.transpose(inside.view(np.uint8)), np.uint8).reshape(-1)
    else:
        flat = inside.T.reshape(-1).view(np.uint8)
    bits = np.zeros(flat.size // 64 * 8 + 8, np.uint8)  # an eighth of the memory: the kernel clears that of each mask
    bits[: -(-flat.size // 8)] = np.packbits(flat, bitorder="little")
    words = bits.view("<u8")
    change = words + words  # shifted by a pixel; NumPy adds faster than it shifts
    change[1:] += words[:-1] >= _LAST_OF_WORD
    change ^= words  # whether a run begins or ends before this pixel
    some = np.flatnonzero(change != 0)  # most are 0
    within = np.flatnonzero(np.unpackbits(change[some].view(np.uint8), bitorder="little").view(np.bool_))
    numbers = (64 * some)[within >> 6] + (within & 63)  # starts and ends alternate, from 0
    numbers[1::2] -= numbers[0::2]  # ends become lengths
    return np.asarray(numbers, np.int64)
