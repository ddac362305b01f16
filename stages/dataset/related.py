"""Which folds a test image belongs together with: no network may be trained on a copy of what it is scored on."""

import re

import numpy as np

from stages.dataset import duplicates
from stages.dataset.prepared import Dataset
from stages.pipeline.arrays import Float32


def folds_of(
    data: Dataset, names: list[str], signatures: Float32, correlation: float, group_by: str | None
) -> list[set[int]]:
    """For each test image, the folds in which it has near-duplicates, or images that belong together with it by name.

    As in preprocess, near-duplicates of near-duplicates count too, here through training and test images alike. A chain
    of them that preprocess has divided, because it would have filled a fold, counts as a whole.

    Args:
        data: the prepared data.
        names: file names of the test images.
        signatures: of `duplicates`, float32 (test images, duplicates.SIZE).
        correlation: `preprocess.duplicate_correlation`.
        group_by: `preprocess.group_by`. A test image whose name it does not fit belongs to no other by name.
    """
    groups = duplicates.groups(np.concatenate([data.signatures, signatures]), correlation)
    if group_by is not None:
        every = [*(sample.image for sample in data.index), *names]
        found = (re.search(group_by, name) for name in every)
        keys = [repr(match.groups()) if match else str(number) for number, match in enumerate(found)]
        groups = duplicates.joined(groups, keys)
    folds: dict[int, set[int]] = {}
    for group, sample in zip(groups.tolist(), data.index, strict=False):  # the training images come first
        folds.setdefault(group, set()).add(sample.fold)
    return [folds.get(group, set()) for group in groups[len(data.index) :].tolist()]
