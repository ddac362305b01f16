"""Folds: every image in one of them, near-duplicates together, classes spread evenly, the last fold held out."""

import warnings

import numpy as np
import numpy.typing as npt


def assign(
    pixels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """Give every image its fold.

    Images are stratified by the rarest class that they hold (rare: in few images), so that rare classes, which a
    stratification by all combinations would scatter, are spread evenly.

    Args:
        pixels: int64 of shape (images, classes): pixels of each class.
        groups: int64 of shape (images,): images of one group share a fold.
        folds: how many folds, at least 2 and at most the number of groups.
        seed: decides among equally good splits.

    Returns:
        int64 of shape (images,): a fold in 0 … folds-1 for each image.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes a second

    present = pixels > 0
    rarity = np.argsort(np.argsort(present.sum(axis=0), kind="stable"))  # 0: the rarest class
    stratum = np.where(present, rarity, pixels.shape[1]).min(axis=1)  # clean images: one stratum more
    if np.bincount(stratum).max() < folds:  # too few of each kind to spread any: scikit-learn would refuse
        stratum[:] = 0
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    fold = np.zeros(len(pixels), np.int64)
    with warnings.catch_warnings():  # a class with fewer images than folds is told by the caller, by its name
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        for number, (_, members) in enumerate(splitter.split(pixels, stratum, groups)):
            fold[members] = number
    return fold
