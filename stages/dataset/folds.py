"""Assigns every image to a fold: near-duplicates together, classes spread evenly, the last fold held out.

scikit-learn's StratifiedGroupKFold gives the same folds, but takes ten times as long, and a second to import.
Libraries that stratify by several classes at once (iterative-stratification) do not keep groups together.
"""

import numpy as np

from stages.pipeline.arrays import Float64, Int64


def assign(pixels: Int64, groups: Int64, folds: int, seed: int, kept: Int64 | None = None) -> Int64:
    """Assign every image to a fold.

    Images are stratified by the rarest class that they show (the class in the fewest images). Stratification by all
    combinations of classes would spread rare classes unevenly.

    As in StratifiedGroupKFold, the seed shuffles the groups; then the groups are assigned one after the other, those
    with the most uneven strata first, each to the fold that keeps every stratum most evenly spread.

    A group with images that keep a fold goes there, before all others: to the last fold, which is held out, if one of
    its images keeps that; else to where most of them were. So groups stay whole, and what was held out remains so.

    Args:
        pixels: int64 of shape (images, classes): pixels of each class.
        groups: int64 of shape (images,): images of one group share a fold.
        folds: how many folds, at least 2 and at most the number of groups.
        seed: decides among equally good splits.
        kept: int64 of shape (images,): the fold that an image keeps; negative: none. None: no image keeps one.

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
    fold_of = np.full(len(sizes), -1) if kept is None else of_groups(group, kept, folds)
    order = order[fold_of[order] < 0]  # the groups without a fold
    so_far = np.zeros((folds, len(strata)))  # images of each stratum that a fold has
    np.add.at(so_far, fold_of[fold_of >= 0], counts[fold_of >= 0])
    fold_of[order] = _spread(counts[order], so_far, counts.sum(axis=0))
    return np.asarray(fold_of[group], np.int64)


def of_groups(group: Int64, kept: Int64, folds: int) -> Int64:
    """The fold of each group by the folds that its images keep.

    Args:
        group: of each image, int64 (images,), numbered from 0.
        kept: the fold that each image keeps, int64 (images,); negative: none.
        folds: how many there are.

    Returns:
        int64 (groups,): the last fold if an image keeps that, else the one that most keep; -1 if none keeps one.

        >>> of_groups(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 0, 2, -1]), 3).tolist()
        [0, 2, -1]
    """
    votes = np.zeros((int(group.max()) + 1, folds), np.int64)
    np.add.at(votes, (group[kept >= 0], kept[kept >= 0]), 1)
    most = np.where(votes[:, -1] > 0, folds - 1, votes.argmax(axis=1))
    return np.where(votes.any(axis=1), most, -1)


def _spread(counts: Float64, present: Float64, total: Float64) -> list[int]:
    """Assign groups to folds, one after the other, each to where every stratum is then spread most evenly.

    Args:
        counts: images of each stratum in each group, float64 (groups, strata).
        present: images of each stratum that each fold has already, float64 (folds, strata); counted up.
        total: images of each stratum in all groups, float64 (strata,).

    Returns:
        The fold of each group.
    """
    folds = len(present)
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
