"""Which of one's own images are set aside for testing."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from stages.conversion import earlier_split
from stages.conversion.labels import LabelledImage
from stages.conversion.measures import Measures
from stages.conversion.remarks import some, tell
from stages.dataset import duplicates, folds
from stages.pipeline import parallel, settings
from stages.pipeline.arrays import Bool, Int64
from stages.pipeline.cli import UserError

FINEST = 20  # a share is rounded to a fraction whose denominator is at most this


def held_back(given: Any, found: Sequence[LabelledImage], measured: Measures) -> Bool:
    """Which images become test images, boolean (images,).

    Args:
        given: the options of the command convert; `test_share` is set.
        found: the images.
        measured: what is known of them.

    Raises:
        UserError: there are too few groups of near-duplicates for the share, or --keep names no earlier output.
    """
    options = settings.load()
    correlation = options.preprocess.duplicate_correlation
    groups = duplicates.groups(measured.signatures, correlation)
    share = Fraction(given.test_share).limit_denominator(FINEST)
    groups, _ = duplicates.divided(measured.signatures, groups, correlation, -(-len(found) // share.denominator))
    kept = None
    if given.keep:
        sides = _earlier_sides(given, found)
        groups = duplicates.still_divided(measured.signatures, groups, sides, 2, correlation)
        kept = _joined_sides(found, groups, sides)
        if (kept >= 0).all():
            return np.asarray(kept == 1)
    count = len(np.unique(groups))
    if count < share.denominator:
        raise UserError(
            f"{given.images}: expected at least {share.denominator} groups of near-duplicates for a share of {share}, "
            f"found {count} among {len(groups)} images"
        )
    seed = options.seed if given.seed is None else given.seed
    parts = None if kept is None else _parts(measured.pixels, groups, kept, share, seed)
    return folds.assign(measured.pixels, groups, share.denominator, seed, parts) < share.numerator


def _earlier_sides(given: Any, found: Sequence[LabelledImage]) -> Int64:
    """As `earlier_split.sides`; what was renamed, changed, added and removed is told."""
    earlier = earlier_split.read(given.keep)
    names = [one.name for one in found]
    contents = list(parallel.in_order(_digest, found))
    earlier_split.compare(names, contents, earlier)
    return earlier_split.sides(names, contents, earlier)


def _joined_sides(found: Sequence[LabelledImage], groups: Int64, sides: Int64) -> Int64:
    """The side of each image with its near-duplicates: the test side, if one of them was there; -1 if all are new."""
    joined = folds.of_groups(groups, sides, 2)[groups]
    moved = [one.name for one, before, now in zip(found, sides, joined, strict=True) if before == 0 and now == 1]
    if moved:
        tell(f"--keep: training images that new ones join to test images become test images: {some(sorted(moved))}")
    return np.asarray(joined, np.int64)


def _parts(pixels: Int64, groups: Int64, sides: Int64, share: Fraction, seed: int) -> Int64:
    """The images that were there, in equal parts of which the first are test images; -1 for the new ones."""
    parts = np.full(len(sides), -1, np.int64)
    for side, first, count in (1, 0, share.numerator), (0, share.numerator, share.denominator - share.numerator):
        members = sides == side
        if members.any():
            several = min(count, len(np.unique(groups[members])))
            parts[members] = first
            if several > 1:
                parts[members] += folds.assign(pixels[members], groups[members], several, seed)
    return parts


def _digest(one: LabelledImage) -> bytes:
    with one.image.open("rb") as stream:
        return earlier_split.digest(stream)
