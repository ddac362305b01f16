"""Whether two sets of images come from one distribution, and whether near-duplicates leak from one into the other.

Every image is described by a few dozen numbers. A classifier is trained to tell the two sets apart by them (Lopez-Paz
and Oquab, Revisiting Classifier Two-Sample Tests, 2017): an area under the ROC curve (AUC) of 0.5 is chance, 1 is
always right. Standardised differences (Cohen's d) compare one number at a time. Both count groups of near-duplicates,
not images, because a second photograph of a strip adds little information. scikit-learn provides the classifier and its
cross-validation; the intervals of AUC and d are two formulas that it does not have.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from stages.pipeline.arrays import Bool, Float32, Int64, UInt8
from stages.pipeline.progress import bar

BLACK = 16  # grey levels below this are black: JPEG leaves a black margin a few levels above 0
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ROWS, _COLUMNS = 4, 8  # of the coarse grid
# In the order in which `features` gives them.
FEATURES = (
    "brightness",
    "spread",
    "black",
    *(f"quantile {quantile}" for quantile in _QUANTILES),
    "texture across",
    "texture down",
    *(f"light in row {row + 1}, column {column + 1} of {_ROWS}×{_COLUMNS}"
      for row in range(_ROWS) for column in range(_COLUMNS)),
)  # fmt: skip
# A smaller spread is not used to standardise a difference: it would amplify differences that matter to no network.
LEAST_SPREAD = np.array([0.01 if name == "black" else 1.0 for name in FEATURES])

MIN_GROUPS = 10  # in either set; with fewer, a classifier learns nothing and an AUC means nothing
_PARTS, _TREES = 5, 50  # of the cross-validation
# A problem is a difference that is both large enough to matter and surely not chance. With some dozens of images, an
# AUC of 0.6 occurs by chance, hence the bound on the interval; with ten thousand, 0.51 is significant yet harmless,
# hence the bound on the AUC itself.
LARGE_AUC, SURE_AUC = 0.6, 0.55
LARGE_D, SURE_D = 0.5, 0.2  # Cohen's own "medium" and "small"; a d of 0.2 alone makes an AUC of 0.56
_Z = 1.96  # standard errors in half a 95% interval

_BLOCK = 1024
_ROUNDING = 1e-5  # how much a correlation differs when it is summed in another order


def features(image: UInt8) -> Float32:
    """Describe a grey image by numbers that do not depend on its defects.

    Args:
        image: uint8 of shape (height, width).

    Returns:
        float32 of shape (len(FEATURES),), in that order: mean and standard deviation of the grey levels, share of black
        pixels, quantiles, root mean square of the differences between neighbours, means of a 4×8 grid. All are grey
        levels, 0 … 255, but for the share.

        >>> features(np.array([[0, 200], [0, 200]], np.uint8))[:10]
        array([100. , 100. ,   0.5,   0. ,   0. ,   0. , 200. , 200. , 200. ,   0. ], dtype=float32)
    """
    counts = np.bincount(image.reshape(-1), minlength=256)
    shares, levels = counts / image.size, np.arange(256)
    mean = shares @ levels
    spread = np.sqrt(shares @ (levels - mean) ** 2)
    quantiles = np.searchsorted(counts.cumsum(), np.array(_QUANTILES) * image.size)
    grey = image.astype(np.float32)
    grid = cv2.resize(grey, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA)
    plain = [mean, spread, shares[:BLACK].sum(), *quantiles, _texture(grey, axis=1), _texture(grey, axis=0)]
    return np.concatenate([plain, grid.reshape(-1)]).astype(np.float32)


def _texture(grey: Float32, axis: int) -> float:
    steps = np.diff(grey, axis=axis)
    return float(np.sqrt(np.square(steps).sum() / max(1, steps.size)))  # an image one pixel wide has no steps


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells two sets of images apart.

    Attributes:
        auc: area under the ROC curve on images that the classifier was not fitted on. With some dozens of images it is
            often well below 0.5, because folds are assigned more evenly than by chance; that is not a fault.
        low, high: the 95% interval.
    """

    auc: float
    low: float
    high: float

    @property
    def is_problem(self) -> bool:
        """Whether the difference is large enough to matter and surely not chance."""
        return self.auc > LARGE_AUC and self.low > SURE_AUC


def separation(described: Float32, second: Bool, groups: Int64) -> Separation | None:
    """Let a classifier tell the images of two sets apart.

    Extremely randomised trees see differences of level, spread and combination alike, whatever the units. Each part of
    the images is classified by trees fitted on the other parts. Near-duplicates share a part, or the trees would
    recognise them. The interval is Hanley and McNeil's (Radiology 143, 1982), with groups in the place of images.

    Args:
        described: float32 of shape (images, features).
        second: bool of shape (images,): the second set; the others are the first.
        groups: int64 of shape (images,): images of one group are near-duplicates.

    Returns:
        None if a set has fewer than `MIN_GROUPS` groups.
    """
    from sklearn.ensemble import ExtraTreesClassifier  # takes a second to import; `segment` does not need it
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    sizes = _sizes(second, groups)
    if min(sizes) < MIN_GROUPS:
        return None
    trees = ExtraTreesClassifier(_TREES, min_samples_leaf=5, class_weight="balanced", random_state=0)
    parts = StratifiedGroupKFold(_PARTS, shuffle=True, random_state=0)
    predicted = cross_val_predict(trees, described, second, groups=groups, cv=parts, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(second, predicted))
    half = _Z * auc_error(auc, *sizes)
    return Separation(auc, max(0.0, auc - half), min(1.0, auc + half))


def auc_error(auc: float, first: int, second: int) -> float:
    """Standard error of an AUC over `first` and `second` independent images of two sets (Hanley and McNeil 1982)."""
    # Probability that two images of one set are both ranked correctly against one of the other set.
    both_second, both_first = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    squares = (second - 1) * (both_second - auc**2) + (first - 1) * (both_first - auc**2)
    return float(np.sqrt((auc * (1 - auc) + squares) / (first * second)))


@dataclass(frozen=True)
class Difference:
    """One number of the images, in two sets.

    Attributes:
        feature: its name.
        first, second: its means in the two sets.
        d: second minus first, in standard deviations of a single image (Cohen's d).
        error: standard error of d.
    """

    feature: str
    first: float
    second: float
    d: float
    error: float

    @property
    def is_problem(self) -> bool:
        """Whether the difference is large enough to matter and surely not chance."""
        return abs(self.d) > LARGE_D and abs(self.d) - _Z * self.error > SURE_D


def differences(described: Float32, second: Bool, groups: Int64) -> list[Difference]:
    """Compare two sets of images number by number.

    Args:
        described, second, groups: as in `separation`.

    Returns:
        One for each of `FEATURES`; none if a set has no image. The error of d is Hedges and Olkin's (1985), with
        groups in the place of images.
    """
    sizes = _sizes(second, groups)
    if min(sizes) == 0:
        return []
    halves = [described[~second].astype(np.float64), described[second].astype(np.float64)]
    means = [half.mean(axis=0) for half in halves]
    squares = sum(((half - mean) ** 2).sum(axis=0) for half, mean in zip(halves, means, strict=True))
    deviation = np.maximum(np.sqrt(squares / max(1, len(described) - 2)), LEAST_SPREAD)
    d = (means[1] - means[0]) / deviation
    error = np.sqrt(sum(sizes) / (sizes[0] * sizes[1]) + d**2 / (2 * sum(sizes)))
    table = np.stack([*means, d, error], axis=1).tolist()
    return [Difference(name, *numbers) for name, numbers in zip(FEATURES, table, strict=True)]


def _sizes(second: Bool, groups: Int64) -> tuple[int, int]:
    """Groups of near-duplicates in the first and in the second set; one that reaches into both counts in both."""
    return len(np.unique(groups[~second])), len(np.unique(groups[second]))


def across_folds(signatures: Float32, folds: Int64, threshold: float) -> tuple[float | None, int]:
    """Look for near-duplicates that lie in different folds.

    Args:
        signatures: float32 of shape (images, numbers), as `duplicates.signature` computes them.
        folds: int64 of shape (images,).
        threshold: images that correlate at least this much are near-duplicates.

    Returns:
        The largest correlation of two images of different folds (None if there are none), and how many such pairs are
        near-duplicates.
    """
    largest, pairs = -np.inf, 0
    for start, first in bar([*_blocks(signatures)], "check_data: pairs across folds", unit="blocks"):
        for further, second in _blocks(signatures[start:]):
            apart = folds[start : start + _BLOCK, np.newaxis] != folds[start + further :][:_BLOCK]
            correlations = (first @ second.T)[apart]
            largest = max(largest, correlations.max(initial=-np.inf))
            found = int(np.count_nonzero(correlations >= threshold + _ROUNDING))
            pairs += found if further else found // 2  # a block against itself has every pair twice
    return (None if largest == -np.inf else float(largest)), pairs


def nearest(signatures: Float32, others: Float32) -> Float32:
    """Largest correlation of each image with any of the others, float32 (images,); -1 if there are none."""
    largest = np.full(len(signatures), -1, np.float32)
    for start, first in bar([*_blocks(signatures)], "check_data: pairs with others", unit="blocks"):
        for _, second in _blocks(others):
            own = largest[start : start + _BLOCK]
            np.maximum(own, (first @ second.T).max(axis=1), out=own)
    return largest


def _blocks(signatures: Float32) -> Iterator[tuple[int, Float32]]:
    """Pieces of a table and where they start: never a matrix of all pairs."""
    for start in range(0, len(signatures), _BLOCK):
        yield start, signatures[start : start + _BLOCK]
