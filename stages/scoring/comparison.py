"""Two runs on the same images: are they comparable, what is the difference, can the data tell them apart?"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stages.pipeline.arrays import Float64, Int64
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap, metric
from stages.scoring.per_image import ImageScores

Figures = dict[str, Float64]


@dataclass(frozen=True)
class PairedDifference:
    """One figure of two runs.

    Attributes:
        name: as in `bootstrap.figures`.
        a, b: the figure of each run; NaN if undefined.
        interval: 95% interval of b - a from a paired bootstrap; None if undefined.
        groups: how many groups of near-duplicates count in the figure.
    """

    name: str
    a: float
    b: float
    interval: tuple[float, float] | None
    groups: int

    def verdict(self) -> str:
        """What the interval says, in words."""
        if self.interval is None:
            return "undefined"
        if self.groups < bootstrap.FEWEST:
            return "too few images to tell"
        if self.interval[0] > 0:
            return "B is higher"
        if self.interval[1] < 0:
            return "A is higher"
        return "the data cannot tell them apart"


def refuse_unlike(where: str, split: str, a: ImageScores, b: ImageScores) -> None:
    """Raise a `UserError` with the reason, after `where`, if two runs do not share images, masks and groups."""
    _refuse_other_terms(where, a, b)
    if a.images != b.images:
        different = sorted(set(a.images) ^ set(b.images))
        raise UserError(
            f"{where}: expected the same {split} images, found {len(a.images)} and {len(b.images)}, of which "
            f"{len(different)} are in one of them only: they come from other data or other folds "
            "(preprocess.folds, train.folds, seed)"
        )
    _refuse_other_masks(where, a, b)
    if not np.array_equal(a.groups, b.groups):
        raise UserError(
            f"{where}: expected the same groups of near-duplicates, found others: "
            "they differ in preprocess.duplicate_correlation, or in their data"
        )


def shared(where: str, split: str, a: ImageScores, b: ImageScores) -> tuple[ImageScores, ImageScores]:
    """Two runs on the images that both of them have, for example after images were added to the data.

    An image that only one run held out may have been trained on by the other. Groups of near-duplicates that one run
    has apart and the other together are together.

    Args:
        where: starts the message.
        split: its name, for the message.
        a, b: the runs.

    Returns:
        Both, with the same images in the same order and the same groups; `a` and `b` themselves if nothing differs.

    Raises:
        UserError: no image is in both, or the runs have other classes, another metric or other masks of an image.
    """
    _refuse_other_terms(where, a, b)
    in_b = {image: number for number, image in enumerate(b.images)}
    places = np.array([(number, in_b[image]) for number, image in enumerate(a.images) if image in in_b], np.int64)
    if not len(places):
        raise UserError(
            f"{where}: expected {split} images that are in both, found none among {len(a.images)} and "
            f"{len(b.images)}: they come from other data or other folds (kept_folds.csv, preprocess.folds, seed)"
        )
    if a.images != b.images:
        a, b = _chosen(a, places[:, 0]), _chosen(b, places[:, 1])
    _refuse_other_masks(where, a, b)
    if not np.array_equal(a.groups, b.groups):
        every = np.arange(len(a.images))
        apart = np.concatenate([a.groups, b.groups + a.groups.max() + 1])
        groups = _connected(np.concatenate([every, every]), apart)[: len(every)]
        a, b = replace(a, groups=groups), replace(b, groups=groups)
    return a, b


def _chosen(scores: ImageScores, places: Int64) -> ImageScores:
    """The images at these places, in this order."""
    return replace(
        scores,
        images=[scores.images[place] for place in places],
        groups=scores.groups[places],
        dice=scores.dice[places],
        true=scores.true[places],
        predicted=scores.predicted[places],
        intersection=scores.intersection[places],
        joined=None if scores.joined is None else scores.joined[places],
    )


def _refuse_other_terms(where: str, a: ImageScores, b: ImageScores) -> None:
    """Raise a `UserError` if two runs have other classes or another metric."""
    if a.classes != b.classes:
        raise UserError(f"{where}: expected the same classes, found {', '.join(a.classes)} and {', '.join(b.classes)}")
    if a.metric != b.metric:
        raise UserError(
            f"{where}: expected the same metric (competition.metric), found {metric.title(a.metric)} and "
            f"{metric.title(b.metric)}"
        )


def _refuse_other_masks(where: str, a: ImageScores, b: ImageScores) -> None:
    """Raise a `UserError` if two runs on the same images have other true masks."""
    if not np.array_equal(a.true, b.true):
        image = a.images[int(np.argmax((a.true != b.true).any(axis=1)))]
        raise UserError(f"{where}: expected the same true masks, found different ones of {image}: other data")


def pool(several: list[ImageScores]) -> ImageScores:
    """The images of several experiments as one set. Groups of different experiments that share an image become one.

    An image is the same if its name and the areas of its true masks are: another seed draws another built-in sample.
    A single experiment stays as it is, so that its intervals are those of its report.
    """
    if len(several) == 1:
        return several[0]
    image_numbers: dict[Any, int] = {}
    group_numbers: dict[tuple[int, int], int] = {}
    images, groups = [], []
    for experiment, scores in enumerate(several):
        for image, group, true in zip(scores.images, scores.groups.tolist(), scores.true.tolist(), strict=True):
            images.append(image_numbers.setdefault((image, tuple(true)), len(image_numbers)))
            groups.append(group_numbers.setdefault((experiment, group), len(group_numbers)))
    joined = [scores.joined for scores in several if scores.joined is not None]
    return replace(
        several[0],
        images=[image for scores in several for image in scores.images],
        groups=_connected(np.array(images), np.array(groups)),
        dice=np.concatenate([scores.dice for scores in several]),
        true=np.concatenate([scores.true for scores in several]),
        predicted=np.concatenate([scores.predicted for scores in several]),
        intersection=np.concatenate([scores.intersection for scores in several]),
        joined=np.concatenate(joined) if joined else None,
    )


def differences(a: ImageScores, b: ImageScores) -> list[PairedDifference]:
    """All figures of two runs on the same images, with the paired bootstrap of their differences.

    In each round both runs are scored on the same draw. A mean over classes leaves out the classes that are undefined
    in either run (such as the precision of a class that one run never predicts), so that both means are of the same
    classes.
    """
    weights = bootstrap.draws(a.groups)
    once = _paired(bootstrap.figures(a), bootstrap.figures(b), a.classes)
    drawn = _paired(bootstrap.figures(a, weights), bootstrap.figures(b, weights), a.classes)
    return [
        PairedDifference(
            name,
            float(once[0][name][0]),
            float(once[1][name][0]),
            bootstrap.interval(drawn[1][name] - drawn[0][name]),
            min(bootstrap.groups(a, name), bootstrap.groups(b, name)),
        )
        for name in drawn[0]
    ]


def _connected(images: Int64, groups: Int64) -> Int64:
    """One number for all rows that are connected by an image or a group: that of the last image among them."""
    count = int(images.max()) + 1
    links = coo_array((np.ones(len(images)), (images, count + groups)), shape=(count + int(groups.max()) + 1,) * 2)
    components, component = connected_components(links, directed=False)
    last = np.zeros(components, np.int64)
    np.maximum.at(last, component[:count], np.arange(count))
    return np.asarray(last[component[images]])


def _paired(a: Figures, b: Figures, classes: list[str]) -> tuple[Figures, Figures]:
    """The figures, with means over the classes that are defined in both."""
    for mean, kind in (
        ("positive_mean_dice", "positive_dice"),
        ("mean_precision", "precision"),
        ("mean_recall", "recall"),
    ):
        of_class = [np.stack([figures[f"{kind}.{name}"] for name in classes], axis=1) for figures in (a, b)]
        undefined = np.isnan(of_class[0]) | np.isnan(of_class[1])
        for figures, each in zip((a, b), of_class, strict=True):
            figures[mean] = bootstrap.mean_defined(np.where(undefined, np.nan, each))
    return a, b
