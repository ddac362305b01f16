"""Assigns every image to a fold: near-duplicates together, classes spread evenly, the last fold held out.

scikit-learn's StratifiedGroupKFold gives the same folds, but takes ten times as long, and a second to import.
Libraries that stratify by several classes at once (iterative-stratification) do not keep groups together.
"""

import numpy as np

from stages.pipeline.arrays import Float64, Int64


def assign(pixels: Int64, groups: Int64, folds: int, seed: int) -> Int64:
    """Assign every image to a fold.

    Images are stratified by the rarest class that they show (the class in the fewest images). Stratification by all
    combinations of classes would spread rare classes unevenly.

    As in StratifiedGroupKFold, the seed shuffles the groups; then the groups are assigned one after the other, those
    with the most uneven strata first, each to the fold that keeps every stratum most evenly spread.

    Args:
        pixels: int64 of shape (images, classes): pixels of each class.
        groups: int64 of shape (images,): images of one group share a fold.
        folds: how many folds, at least 2 and at most the number of groups.
        seed: decides among equally good splits.

    Returns:
        int64 of shape (images,): a fold in 0 … folds-1 for each image.

    Raises:
        ValueError: fewer groups than folds.
    """
    present = pixels > 0
    rarity = np.argsort(np.argsort(present.sum(axis=0), kind="stable"))  # 0: the rarest class
    stratum = np.where(present, rarity, pixels.shape[1]).min(axis=1)  # clean images are a stratum of their own
    if np.bincount(stratum).max() < folds:  # too few images in each stratum to spread any
        stratum[:] = 0
    strata, members = np.unique(stratum, return_inverse=True)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise ValueError(f"expected at least as many groups as folds ({folds}), found {len(sizes)}")
    order = np.arange(len(sizes))
    np.random.RandomState(seed).shuffle(order)  # decides among groups with the same strata
    counts = np.zeros((len(sizes), len(strata)))  # images of each stratum in each group
    np.add.at(counts, (group, members), 1)
    order = order[np.argsort(-counts[order].std(axis=1), kind="stable")]
    fold_of = np.zeros(len(sizes), np.int64)
    fold_of[order] = _spread(counts[order], folds)
    return np.asarray(fold_of[group], np.int64)


def _spread(counts: Float64, folds: int) -> list[int]:
    """Assign groups to folds, one after the other, each to where every stratum is then spread most evenly.

    Args:
        counts: images of each stratum in each group, float64 (groups, strata).
        folds: how many folds.

    Returns:
        The fold of each group.
    """
    total = counts.sum(axis=0)
    present = np.zeros((folds, len(total)))  # images of each stratum that a fold has so far
    each = np.arange(folds)
    chosen = []
    for count in counts:
        tried = np.repeat(present[np.newaxis], folds, axis=0)  # (fold that gets the group, folds, strata)
        tried[each, each] += count
        uneven = (tried / total).std(axis=1).mean(axis=1).tolist()
        images = present.sum(axis=1).tolist()
        best = 0
        for fold in range(1, folds):
            equal = abs(uneven[fold] - uneven[best]) <= 1e-8 + 1e-5 * uneven[best]
            if uneven[fold] < uneven[best] or (equal and images[fold] < images[best]):
                best = fold
        present[best] += count
        chosen.append(best)
    return chosen
