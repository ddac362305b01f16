"""The figures of the report: the few that stand on top, and the table of all, each with what it means."""

from collections.abc import Sequence
from typing import Any

from stages.figures.definitions import DEFINITIONS
from stages.scoring import bootstrap, metric, verdict
from stages.scoring.per_image import USUAL, ImageScores

Row = dict[str, Any]


def tiles(rows: Sequence[Row], held_out: ImageScores, metrics: dict[str, Any]) -> list[Row]:
    """The figures on top: the competition's score, Dice where there is a mask, and how many masks are found.

    Args:
        rows: of `table`.
        held_out: the images of the held-out fold.
        metrics: of metrics/evaluation.json.

    Returns:
        Rows as in `table`, with `nothing`: the same figure of predicting nothing, or None.
    """
    score, positive = rows[0], next(row for row in rows if row["name"] == "positive_mean_dice")
    nothing = metrics["all_empty_mean_dice" if score["name"] == "mean_dice" else "all_empty_score"]
    counted = verdict.detected(held_out)
    found = {
        "title": f"True masks found: {counted.found:,} of {counted.there:,}",
        "value": counted.found / counted.there if counted.there else None,
        "interval": verdict.found_interval(held_out),
        "few": bootstrap.groups(held_out, "positive_mean_dice") < bootstrap.FEWEST,
        "nothing": None,
        "definition": f"{DEFINITIONS['found']}. False alarms ({DEFINITIONS['false_alarms']}): {counted.alarms:,} of "
        f"{counted.clean:,}",
    }
    return [score | {"nothing": nothing}, positive | {"nothing": None}, found]


def table(held_out: ImageScores, validation: ImageScores, metrics: dict[str, Any]) -> list[Row]:
    """The rows of the table of all figures.

    Returns:
        Of each row title, definition, of_class, value (None if undefined), digits, interval (95%, None if there is
        none), few (too few images for one) and validation: value, interval and few, or None.
    """
    others = {row["name"]: row for row in bootstrap.headline(validation)}
    rows = [
        row | {"definition": _meaning(row), "digits": 3, "validation": others[row["name"]]}
        for row in bootstrap.headline(held_out)
    ]
    return rows + _plain(metrics, held_out)


def _meaning(row: Row) -> str:
    return "" if row["of_class"] else DEFINITIONS[row["name"]]


def _plain(metrics: dict[str, Any], scores: ImageScores) -> list[Row]:
    """Figures of metrics/evaluation.json that have no interval."""
    validation, plain = metrics["validation"], metrics["without_postprocessing"]
    called = {"mean_dice": "Mean Dice"}
    if scores.metric != USUAL:
        called = {"score": metric.title(scores.metric).capitalize()} | called
    rows = []
    for kind, title, definition in (
        ("nothing", "{} of predicting nothing", "all_empty_{}"),
        ("plain", "{} without post-processing", "without_postprocessing"),
    ):
        for name, figure in called.items():
            empty = f"all_empty_{name}"
            values = (
                (metrics[empty], validation[empty])
                if kind == "nothing"
                else (plain[name], validation["without_postprocessing"][name])
            )
            rows.append(_row(title.format(figure), DEFINITIONS[definition.format(name)], *values))
    rows.append(_row("Pixel accuracy", DEFINITIONS["pixel_accuracy"], metrics["pixel_accuracy"]) | {"digits": 4})
    rows.append(_row("Mean IoU, background included", DEFINITIONS["mean_iou"], metrics["mean_iou"]))
    return rows


def _row(title: str, definition: str, value: float | None, validation: float | None = None) -> Row:
    return {
        "name": "",
        "title": title,
        "definition": definition,
        "of_class": False,
        "value": None if value is None else float(value),
        "digits": 3,
        "interval": None,
        "few": False,
        "validation": None if validation is None else {"value": validation, "interval": None, "few": False},
    }
