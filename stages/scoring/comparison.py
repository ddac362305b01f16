"""Two runs on the same images, compared: are they comparable, what is the difference, can the data tell them apart?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.pipeline.cli import UserError
from stages.scoring import bootstrap
from stages.scoring.per_image import ImageScores


@dataclass(frozen=True)
class Difference:
    """One figure of two runs.

    Attributes:
        name: as `bootstrap.figures` has it.
        a, b: the figure of each; NaN where undefined.
        interval: of b less a, 95%, of a paired bootstrap; None where undefined.
        groups: how many groups of near-duplicates the figure rests on.
    """

    name: str
    a: float
    b: float
    interval: tuple[float, float] | None
    groups: int

    def verdict(self) -> str:
        """In words, what the interval says."""
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
    """Raise a `UserError` with the reason, after `where`, if two runs are not of the same images, masks and groups."""
    if a.classes != b.classes:
        raise UserError(f"{where}: expected the same classes, found {', '.join(a.classes)} and {', '.join(b.classes)}")
    if a.images != b.images:
        different = sorted(set(a.images) ^ set(b.images))
        raise UserError(
            f"{where}: expected the same {split} images, found {len(a.images)} and {len(b.images)}, of which "
            f"{len(different)} are in one of them only: they are of other data, or of other folds "
            "(preprocess.folds, train.folds, seed)"
        )
    if not np.array_equal(a.true, b.true):
        image = a.images[int(np.argmax((a.true != b.true).any(axis=1)))]
        raise UserError(f"{where}: expected the same true masks, found different ones of {image}: other data")
    if not np.array_equal(a.groups, b.groups):
        raise UserError(
            f"{where}: expected the same groups of near-duplicates, found others: "
            "they differ in preprocess.duplicate_correlation, or in their data"
        )


def pool(several: list[ImageScores]) -> ImageScores:
    """The images of several experiments as one set; what several share stays one group, since it is one sheet.

    An image is the same when its name and the size of its true masks are: another seed draws another built-in sample.
    """
    labels: dict[Any, int] = {}
    parent: list[int] = []

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    groups = []
    for number, scores in enumerate(several):
        for image, group, true in zip(scores.images, scores.groups.tolist(), scores.true.tolist(), strict=True):
            keys: list[Any] = [(number, group), (image, tuple(true))]
            for key in keys:
                if key not in labels:
                    labels[key] = len(parent)
                    parent.append(len(parent))
            parent[root(labels[keys[0]])] = root(labels[keys[1]])
            groups.append(labels[keys[0]])
    return ImageScores(
        several[0].classes,
        [image for scores in several for image in scores.images],
        np.array([root(group) for group in groups], np.int64),
        *(
            np.concatenate([getattr(scores, name) for scores in several])
            for name in ("dice", "true", "predicted", "intersection")
        ),
    )


def differences(a: ImageScores, b: ImageScores) -> list[Difference]:
    """All figures of two runs on the same images, with the paired bootstrap of their differences.

    In each round both are scored on the same draw. A mean over classes leaves out those that are undefined in either
    run (the precision of a class that one never predicts), so that both means are of the same classes.
    """
    weights = bootstrap.draws(a.groups)
    values = _paired(bootstrap.figures(a), bootstrap.figures(b), a.classes)
    drawn = _paired(bootstrap.figures(a, weights), bootstrap.figures(b, weights), a.classes)
    return [
        Difference(
            name,
            float(values[0][name][0]),
            float(values[1][name][0]),
            bootstrap.interval(drawn[1][name] - drawn[0][name]),
            min(bootstrap.groups(a, name), bootstrap.groups(b, name)),
        )
        for name in drawn[0]
    ]


Figures = dict[str, bootstrap.Values]


def _paired(a: Figures, b: Figures, classes: list[str]) -> tuple[Figures, Figures]:
    """The figures, their means over classes taken again over those that are defined in both."""
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
