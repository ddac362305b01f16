"""Which of one's own images are set aside for testing."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from stages.conversion import earlier_split
from stages.conversion.labels import LabelledImage
from stages.conversion.measures import Measures
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
    groups = duplicates.groups(measured.signatures, options.preprocess.duplicate_correlation)
    share = Fraction(given.test_share).limit_denominator(FINEST)
    groups, _ = duplicates.divided(
        measured.signatures, groups, options.preprocess.duplicate_correlation, -(-len(found) // share.denominator)
    )
    seed = options.seed if given.seed is None else given.seed
    if given.keep:
        fixed, free = _kept(given, found, groups)
    else:
        fixed, free = np.zeros(len(found), np.bool_), np.ones(len(found), np.bool_)
    if not free.any():
        return fixed
    count = len(np.unique(groups[free]))
    if count < share.denominator and not given.keep:
        raise UserError(
            f"{given.images}: expected at least {share.denominator} groups of near-duplicates for a share of {share}, "
            f"found {count} among {len(groups)} images"
        )
    parts = min(count, share.denominator)
    if parts > 1:
        fixed[free] = folds.assign(measured.pixels[free], groups[free], parts, seed) < round(share * parts)
    return fixed


def _kept(given: Any, found: Sequence[LabelledImage], groups: Int64) -> tuple[Bool, Bool]:
    """As `earlier_split.sides`."""
    earlier = earlier_split.read(given.keep)
    names = [one.name for one in found]
    contents = list(parallel.in_order(_digest, found))
    earlier_split.compare(names, contents, earlier)
    return earlier_split.sides(names, contents, groups, earlier)


def _digest(one: LabelledImage) -> bytes:
    with one.image.open("rb") as stream:
        return earlier_split.digest(stream)
