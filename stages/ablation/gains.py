"""What a variant gained over the one that it is compared with: the arithmetic of metrics/ablation.csv."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stages.ablation.plan import Params, Variant
from stages.scoring import bootstrap, comparison
from stages.scoring.per_image import ImageScores

HEADER = [
    "variant", "compared_with", "changed", "seeds", "mean_dice", "positive_mean_dice", "mean_dice_gain",
    "mean_dice_low", "mean_dice_high", "positive_gain", "positive_low", "positive_high", "seed_spread", "verdict",
    "held_out_mean_dice", "held_out_positive_mean_dice",
    "score", "score_gain", "score_low", "score_high", "held_out_score",
]  # fmt: skip
VERDICTS = {"B is higher": "gain", "A is higher": "loss"}
UNDECIDED = "the data cannot tell"


@dataclass(frozen=True)
class Result:
    """The scores of a variant's runs.

    Attributes:
        validation: scores of the validation folds by seed.
        held_out: scores of the held-out fold by seed; empty for all variants but the last.
    """

    validation: dict[int, ImageScores]
    held_out: dict[int, ImageScores] = field(default_factory=dict)


def line(variant: Variant, result: Result, baseline: Result | None) -> list[Any]:
    """One line of the table, in the order of `HEADER`.

    The gain is computed over the seeds that both variants have, so it may differ from the difference of the two means.
    Its interval is a paired bootstrap. Each round draws groups of near-duplicate images, and takes each image in all
    seeds together; this equals drawing images whose scores are means over the seeds.

    Args:
        variant: the variant of the line.
        result: its scores.
        baseline: scores of the variant that it is compared with; None if there are none.
    """
    mean, positive, score = _means(result.validation)
    deciding = [figures[0 if score is None else 2] for figures in map(_headline, result.validation.values())]
    held_out = _means(result.held_out) if variant.last else (None, None, None)
    if baseline:
        gains = _gains(variant, result, baseline)
    else:
        missing = f"not compared: {variant.compared_with} has not run" if variant.compared_with else None
        gains = [None] * 9 + [missing]
    return [
        variant.name, variant.compared_with, format_changes(variant.changed), len(result.validation), mean, positive,
        *gains[:6], _rounded(max(deciding) - min(deciding)) if len(deciding) > 1 else None, gains[9], *held_out[:2],
        score, *gains[6:9], held_out[2],
    ]  # fmt: skip


def format_changes(changes: Params) -> str:
    """Changed parameters in one cell: "train.loss=cce; train.folds=[0,1]"."""
    return "; ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value, separators=(',', ':'))}"
        for key, value in changes.items()
    )


def _gains(variant: Variant, result: Result, baseline: Result) -> list[Any]:
    """Gain, low and high of mean Dice, of the Dice where there is a mask, and of the score, and the verdict.

    The verdict is on the competition's score; that has figures of its own if it is another one than mean Dice.
    """
    seeds = [seed for seed in result.validation if seed in baseline.validation]
    before, after = ([each.validation[seed] for seed in seeds] for each in (baseline, result))
    where = f"{variant.compared_with} and {variant.name} cannot be compared"
    for one, other in zip(before, after, strict=True):
        comparison.refuse_unlike(where, "validation", one, other)
    found = {each.name: each for each in comparison.differences(comparison.pool(before), comparison.pool(after))}
    cells: list[Any] = []
    for name in ("mean_dice", "positive_mean_dice", "score"):
        if name not in found:
            cells += [None] * 3
            continue
        low, high = found[name].interval or (np.nan, np.nan)
        cells += [_rounded(found[name].b - found[name].a), _rounded(low), _rounded(high)]
    deciding = found["score" if "score" in found else "mean_dice"]
    return [*cells, VERDICTS.get(deciding.verdict(), UNDECIDED)]


def _means(scores: dict[int, ImageScores]) -> tuple[float | None, float | None, float | None]:
    """Mean Dice, Dice where there is a mask, and the score if it is another one: means over seeds."""
    mean, positive, score = np.mean([_headline(each) for each in scores.values()], axis=0)
    return _rounded(mean), _rounded(positive), _rounded(score)


def _headline(scores: ImageScores) -> tuple[float, float, float]:
    """Mean Dice, Dice where there is a mask, and the score; NaN if that is mean Dice."""
    figures = bootstrap.figures(scores)
    mean, positive, score = (figures.get(name, [np.nan])[0] for name in ("mean_dice", "positive_mean_dice", "score"))
    return float(mean), float(positive), float(score)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)
