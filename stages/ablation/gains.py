"""What a row of the gain ledger gained over the row that it stands beside: the arithmetic of the table."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages.ablation.plan import Params, Row
from stages.scoring import bootstrap, comparison
from stages.scoring.per_image import ImageScores

HEADER = [
    "step", "beside", "changed", "seeds", "mean_dice", "positive_mean_dice", "mean_dice_gain", "mean_dice_low",
    "mean_dice_high", "positive_gain", "positive_low", "positive_high", "seed_spread", "seconds", "over_budget",
    "verdict", "held_out_mean_dice", "held_out_positive_mean_dice",
]  # fmt: skip
VERDICTS = {"B is higher": "gain", "A is higher": "loss"}
UNDECIDED = "the data cannot tell"


@dataclass(frozen=True)
class Result:
    """What a row's runs gave.

    Attributes:
        validation: scores of the validation folds by seed.
        held_out: scores of the held-out fold by seed; empty for all rows but the last.
        training, inference: seconds by seed.
    """

    validation: dict[int, ImageScores]
    held_out: dict[int, ImageScores] = field(default_factory=dict)
    training: dict[int, float] = field(default_factory=dict)
    inference: dict[int, float] = field(default_factory=dict)


def line(row: Row, result: Result, beside: Result | None, budget: float) -> list[Any]:
    """One line of the table, in the order of `HEADER`.

    The gain is that of the seeds which both rows have, so it may differ from the difference of the two means. Its
    interval is of the paired bootstrap: the images of all these seeds are drawn together with their near-duplicates,
    an image in all its seeds at once, which is the same as drawing images whose scores are means over seeds.

    Args:
        beside: result of the row that it is compared with; None if there is none.
        budget: seconds that one training may take.
    """
    mean, positive = _means(result.validation)
    dice = [_headline(scores)[0] for scores in result.validation.values()]
    held_out = _means(result.held_out) if row.last else (None, None)
    if beside:
        gains = _gains(row, result, beside)
    else:
        gains = [None] * 6 + [f"not compared: {row.beside} is not done" if row.beside else None]
    return [
        row.name, row.beside, told(row.changed), len(result.validation), mean, positive, *gains[:6],
        _rounded(max(dice) - min(dice)) if len(dice) > 1 else None,
        round(sum(result.training.values()) + sum(result.inference.values()), 1),
        int(any(seconds > budget for seconds in result.training.values())),
        gains[6], *held_out,
    ]  # fmt: skip


def told(changes: Params) -> str:
    """Changed parameters in one cell: "train.loss=cce; train.folds=[0,1]"."""
    return "; ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value, separators=(',', ':'))}"
        for key, value in changes.items()
    )


def _gains(row: Row, result: Result, beside: Result) -> list[Any]:
    """Gain, low and high of mean Dice, the same of the Dice where there is a mask, and the verdict on mean Dice."""
    seeds = [seed for seed in result.validation if seed in beside.validation]
    before, after = ([each.validation[seed] for seed in seeds] for each in (beside, result))
    for one, other in zip(before, after, strict=True):
        comparison.refuse_unlike(f"{row.beside} and {row.name} cannot be compared", "validation", one, other)
    found = {each.name: each for each in comparison.differences(comparison.pool(before), comparison.pool(after))}
    cells: list[Any] = []
    for name in ("mean_dice", "positive_mean_dice"):
        low, high = found[name].interval or (np.nan, np.nan)
        cells += [_rounded(found[name].b - found[name].a), _rounded(low), _rounded(high)]
    return [*cells, VERDICTS.get(found["mean_dice"].verdict(), UNDECIDED)]


def _means(scores: dict[int, ImageScores]) -> tuple[float | None, float | None]:
    """Mean Dice and Dice where there is a mask, means over seeds."""
    mean, positive = np.mean([_headline(each) for each in scores.values()], axis=0)
    return _rounded(mean), _rounded(positive)


def _headline(scores: ImageScores) -> tuple[float, float]:
    figures = bootstrap.figures(scores)
    return float(figures["mean_dice"][0]), float(figures["positive_mean_dice"][0])


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
