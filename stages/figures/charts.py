"""The charts of the report."""

from typing import Any

from stages.figures import vega
from stages.pipeline import paths

RUN = "this run"
# For each chart its template, its table, and the columns for x and y.
CHARTS = {
    "confusion": ("confusion_shares", paths.CONFUSION_TABLE, "predicted", "actual"),
    "classes": ("class_bars", paths.CLASSES_TABLE, "class", "value"),
    "precision_recall": ("precision_recall", paths.PRECISION_RECALL_TABLE, "recall", "precision"),
    "presence": ("presence_shares", paths.PRESENCE_TABLE, "predicted", "actual"),
    "reliability": ("reliability", paths.RELIABILITY_TABLE, "probability", "observed"),
    "sizes": ("dice_by_size", paths.IMAGES_TABLE, "true_pixels", "dice"),
}


def specifications() -> dict[str, dict[str, Any]]:
    """A Vega-Lite specification for each chart that has data, by name."""
    tables = {"curves": ("curves", _curves(), "step", "value")}
    tables |= {name: (template, vega.read(table, RUN), x, y) for name, (template, table, x, y) in CHARTS.items()}
    return {
        name: _of_one_run(vega.fill(template, paths.PLOT_TEMPLATES, rows, x, y))
        for name, (template, rows, x, y) in tables.items()
        if rows
    }


def _of_one_run(chart: Any) -> Any:
    """The same chart without legends and headings that would name the one run that it shows."""
    if isinstance(chart, list):
        return [_of_one_run(part) for part in chart]
    if not isinstance(chart, dict):
        return chart
    nameless = {channel: _nameless(channel, part) for channel, part in chart.items() if channel != "data"}
    return {channel: _of_one_run(part) for channel, part in nameless.items()} | {
        key: chart[key] for key in ("data",) if key in chart
    }


def _nameless(channel: str, part: Any) -> Any:
    if not isinstance(part, dict) or part.get("field") != "rev":
        return part
    if channel in ("column", "row", "facet"):
        return part | {"header": {"labels": False, "title": None}}
    return part | {"legend": None} if channel in ("color", "stroke", "strokeDash", "shape") else part


def _curves() -> vega.Rows:
    """All curves of DVCLive. Each file has its values in a column of its own name."""
    files = sorted(paths.TRAIN_CURVES.glob("*/plots/metrics/*.tsv"))
    return [row | {"value": row[row["field"]]} for file in files for row in vega.read(file, RUN, delimiter="\t")]
