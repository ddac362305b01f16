"""What the figures of a run say, in two sentences: better than predicting nothing, what it finds, do the folds agree?

The held-out images are scored twice on the same draws of the bootstrap, with the predicted masks and with none: the
interval of that difference says whether the data can tell them apart. Validation and held-out images are other images,
so their draws are independent of one another.
"""

from dataclasses import dataclass, replace

import numpy as np

from stages.pipeline.arrays import Float64
from stages.scoring import bootstrap, comparison, metric, per_image
from stages.scoring.comparison import PairedDifference
from stages.scoring.per_image import ImageScores

MORE_OFTEN = 0.5  # of the masks, found: fewer are "only" so many


@dataclass(frozen=True)
class Detected:
    """How often a class is found, counted in pairs of image and class.

    Attributes:
        there: pairs with a true mask.
        found: those of them whose predicted mask overlaps it.
        clean: pairs without a true mask.
        alarms: those of them with a predicted mask.
    """

    there: int
    found: int
    clean: int
    alarms: int


def detected(scores: ImageScores) -> Detected:
    """Count what is found in all images and classes."""
    there, marked = scores.true > 0, scores.predicted > 0
    counts = (there, there & (scores.intersection > 0), ~there, ~there & marked)
    return Detected(*(int(np.count_nonzero(pairs)) for pairs in counts))


def found_interval(scores: ImageScores) -> tuple[float, float] | None:
    """95% interval of the share of the true masks that are found; None if there are none."""
    weights = bootstrap.draws(scores.groups)
    there = scores.true > 0
    found = weights @ (there & (scores.intersection > 0)).sum(axis=1)  # (rounds,)
    pairs = weights @ there.sum(axis=1)
    return bootstrap.interval(found[pairs > 0] / pairs[pairs > 0])


def nothing(scores: ImageScores) -> ImageScores:
    """The scores of the same images if every predicted mask were empty."""
    empty = np.zeros_like(scores.predicted)
    joined = None if scores.joined is None else np.where([True, False, False], scores.joined, 0)
    return replace(
        scores, dice=(scores.true == 0).astype(np.float64), predicted=empty, intersection=empty, joined=joined
    )


def against_nothing(scores: ImageScores) -> PairedDifference:
    """The competition's score of a run (b) and of predicting nothing (a)."""
    name = headline_name(scores)
    return next(each for each in comparison.differences(nothing(scores), scores) if each.name == name)


def headline_name(scores: ImageScores) -> str:
    """The figure by which the competition scores, as in `bootstrap.figures`."""
    return "mean_dice" if scores.metric == per_image.USUAL else "score"


def between_folds(validation: ImageScores, held_out: ImageScores) -> tuple[float, float] | None:
    """95% interval of the held-out fold's score minus that of the validation folds; None if undefined."""
    name = headline_name(held_out)
    drawn = [_drawn(scores, name, seed) for seed, scores in enumerate((validation, held_out))]
    return bootstrap.interval(drawn[1] - drawn[0])


def sentences(held_out: ImageScores, validation: ImageScores) -> list[str]:
    """The verdict: what the held-out fold says against predicting nothing, then what is found and whether folds agree.

    Every number in it is one of the report's figures, or the difference of two.
    """
    return [_better(held_out), f"{_found(detected(held_out))}; {_agreement(held_out, validation)}."]


def signed(value: float) -> str:
    """A difference with its sign, which is a minus and no hyphen.

    >>> signed(-0.25), signed(0.25)
    ('\u22120.250', '+0.250')
    """
    return f"{value:+.3f}".replace("-", "\u2212")


def _better(scores: ImageScores) -> str:
    found = against_nothing(scores)
    called = "mean Dice" if found.name == "mean_dice" else metric.title(scores.metric)
    if found.interval is None or np.isnan(found.a) or np.isnan(found.b):
        return f"The {called} is undefined, so nothing can be said against predicting nothing."
    difference = found.b - found.a
    change = f"{abs(difference):.3f} {'higher' if difference >= 0 else 'lower'}"
    interval = f"95% interval of the difference {signed(found.interval[0])} … {signed(found.interval[1])}"
    figures = f"{called} is {found.b:.3f}, {change} ({interval})"
    verdict = {
        "B is higher": f"Better than predicting nothing: {figures}.",
        "A is higher": f"Worse than predicting nothing: {figures}.",
        "too few images to tell": f"Too few images to tell it from predicting nothing: {figures}.",
    }
    return verdict.get(found.verdict(), f"The data cannot tell it from predicting nothing: {figures}.")


def _found(counted: Detected) -> str:
    alarms = f"{counted.alarms:,} false alarm{'' if counted.alarms == 1 else 's'} in {counted.clean:,} clean pairs"
    if not counted.there:
        return f"No held-out image has a true mask; it raises {alarms}"
    share = counted.found / counted.there
    only = "only " if share < MORE_OFTEN else ""
    return f"It finds {only}{share:.0%} of the true masks ({counted.found:,} of {counted.there:,}), with {alarms}"


def _agreement(held_out: ImageScores, validation: ImageScores) -> str:
    name, interval = headline_name(held_out), between_folds(validation, held_out)
    values = [float(bootstrap.figures(scores)[name][0]) for scores in (validation, held_out)]
    if interval is None or np.isnan(values).any():
        return "validation and held-out fold cannot be compared"
    both = f"validation ({values[0]:.3f}) and held-out fold ({values[1]:.3f})"
    if min(bootstrap.groups(scores, name) for scores in (validation, held_out)) < bootstrap.FEWEST:
        return f"{both} have too few images to be compared"
    if interval[0] > 0 or interval[1] < 0:
        return f"{both} differ by more than their images explain ({signed(interval[0])} … {signed(interval[1])})"
    return f"{both} agree within their intervals"


def _drawn(scores: ImageScores, name: str, seed: int) -> Float64:
    return bootstrap.figures(scores, bootstrap.draws(scores.groups, seed=seed))[name]
