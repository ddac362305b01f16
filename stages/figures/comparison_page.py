"""Two runs, or several of each kind, beside one another in one HTML file: what `compare --html` writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.dataset.prepared import Dataset
from stages.figures import comparison_charts, comparison_images, pages
from stages.figures.comparison_images import MOST, Differing, Predicted
from stages.figures.definitions import DEFINITIONS, DICE
from stages.figures.pages import Gallery
from stages.pipeline import paths
from stages.pipeline.arrays import Float64, Int64
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap, comparison
from stages.scoring.per_image import ImageScores
from stages.scoring.verdict import signed

SPLITS = {"held_out": ("Held-out fold", "report this"), "validation": ("Validation folds", "choose by these")}
SORTS = {
    "difference-down": "difference, largest first",
    "gain-down": "B better, most first",
    "gain-up": "A better, most first",
    "name-up": "name",
}
SAID = {
    "B is higher": "B is higher on the {}",
    "A is higher": "A is higher on the {}",
    "the data cannot tell them apart": "The data cannot tell A and B apart on the {}",
    "too few images to tell": "Too few images to tell A and B apart on the {}",
    "undefined": "Undefined on the {}",
}


@dataclass(frozen=True)
class Side:
    """One of the two sides.

    Attributes:
        names: of its runs.
        scores: of each split, the images of all its runs pooled.
        first: the held-out images of its first run.
        matrices: confusion matrices of its runs, int64 (1 + classes, 1 + classes).
        shares: their mean, as shares of the true class.
        predicted: the predicted masks of its first run, or a text that says why there are none.
        left_out: held-out images that the other side does not have, of all its runs. The figures are of those that both
            have; the confusion matrices are of all, and not shown if there are others.
    """

    names: Sequence[str]
    scores: dict[str, ImageScores]
    first: ImageScores
    matrices: Sequence[Int64]
    shares: Float64
    predicted: Predicted | str
    left_out: int = 0


def render(a: Side, b: Side, names: Sequence[str], titles: Mapping[str, str]) -> Iterator[str]:
    """The page in parts.

    Args:
        a, b: the sides.
        names: of the classes, the background first.
        titles: what figures are called, by name; the competition's score comes first.
    """
    every = comparison_images.ranked(a.first, b.first)
    differing = every[:MOST]
    galleries, remark = _gallery(a, b, differing, list(names[1:]))
    tables = {split: rows(a.scores[split], b.scores[split], titles) for split in SPLITS}
    same = not (a.left_out or b.left_out)
    matrices = (
        {"confusion": comparison_charts.confusion((a.matrices, b.matrices), (a.shares, b.shares), names)}
        if same
        else {}
    )
    said = [sentence(tables[split][0], title.lower()) for split, (title, _) in SPLITS.items()]
    return pages.render(
        "comparison.html.j2",
        list(names[1:]),
        {"images": comparison_charts.images(every)} | matrices,
        galleries,
        a=a,
        b=b,
        names=names,
        verdict=said,
        tables=tables,
        counts={split: (len(a.scores[split].images), len(set(a.scores[split].groups.tolist()))) for split in SPLITS},
        splits=SPLITS,
        change=(b.shares - a.shares).tolist(),
        differing=differing,
        number=len(every),
        remark=remark,
        dice=DICE,
        signed=signed,
        same=same,
    )


def rows(a: ImageScores, b: ImageScores, titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """All figures of two runs on the same images: title, definition, a and b with their intervals, and the difference.

    Returns:
        Of each: title, definition (empty for single classes), a and b (value, interval, few), difference, interval,
        verdict, and low, high, at: where the interval and the difference lie on a line of 100 that has 0 at 50.
    """
    found = comparison.differences(a, b)
    drawn = [bootstrap.figures(scores, bootstrap.draws(scores.groups)) for scores in (a, b)]
    largest = max((abs(edge) for each in found for edge in each.interval or ()), default=0) or 1
    table = []
    for each in found:
        few = each.groups < bootstrap.FEWEST
        values = [
            {"value": None if np.isnan(value) else value, "interval": bootstrap.interval(of[each.name]), "few": few}
            for value, of in zip((each.a, each.b), drawn, strict=True)
        ]
        places = [50 + 50 * edge / largest for edge in (*(each.interval or (0, 0)), each.b - each.a)]
        table.append(
            {
                "title": titles.get(each.name) or each.name.replace("positive_dice", "Dice").replace(".", " of "),
                "definition": DEFINITIONS.get(each.name, ""),
                "of_class": "." in each.name,
                "a": values[0],
                "b": values[1],
                "difference": None if each.interval is None else each.b - each.a,
                "interval": each.interval,
                "verdict": each.verdict(),
                "low": places[0],
                "high": places[1],
                "at": places[2],
            }
        )
    return table


def sentence(row: Mapping[str, Any], split: str) -> str:
    """What one figure says about the two runs."""
    values = [row[side]["value"] for side in "ab"]
    figures = [f"{value:.3f}" if value is not None else "undefined" for value in values]
    text = f"{SAID[row['verdict']].format(split)}: {row['title']} {figures[0]} (A) and {figures[1]} (B)"
    if row["interval"] is None:
        return f"{text}."
    low, high = map(signed, row["interval"])
    return f"{text}, a difference of {signed(row['difference'])} (95% interval {low} … {high})."


def _gallery(a: Side, b: Side, shown: Sequence[Differing], classes: list[str]) -> tuple[list[Gallery], str]:
    """The images on which the runs differ most; or none, and why."""
    for side in (a, b):
        if isinstance(side.predicted, str):
            return [], side.predicted
    try:
        data = Dataset(paths.PREPARED)
        chosen = comparison_images.samples(data, a.first, shown)
    except UserError as error:
        return [], str(error)
    assert not isinstance(a.predicted, str) and not isinstance(b.predicted, str)  # noqa: S101, PT018 (seen above)
    gallery = Gallery(
        id="differing",
        title=f"Images that differ ({len(shown):,})",
        note="Photograph, true masks, and the masks of both runs.",
        items=comparison_images.items(data, chosen, shown, a.predicted, b.predicted),
        layers=["photo", "truth", "A", "B", "errors of A", "errors of B"],
        classes=classes,
        clean="without a defect",
        sorts=SORTS,
        wide=2,
    )
    return [gallery], ""
