"""The charts of `dvc plots`, filled from the same files by the same Vega-Lite templates, for other pages."""

import csv
from pathlib import Path
from typing import Any

from dvc_render.vega import VegaRenderer

Rows = list[dict[str, Any]]


def fill(template: str, folder: Path, rows: Rows, x: str, y: str, title: str) -> dict[str, Any]:
    """Fill a template of `.dvc/plots` as `dvc plots` does.

    Args:
        template: its name, without ".json".
        folder: where the templates are.
        rows: the data, as the CSV file has it, each with `rev`, the name of the run.
        x, y: columns.
        title: above the chart.

    Returns:
        A Vega-Lite specification. It names no version of Vega-Lite: the page brings its own, newer than that of
        `dvc plots`, which the templates name.
    """
    renderer = VegaRenderer(rows, template, template=template, template_dir=str(folder), x=x, y=y, title=title)
    return {key: value for key, value in renderer.get_filled_template().items() if key != "$schema"}


def read(path: Path, run: str, delimiter: str = ",") -> Rows:
    """Rows of a CSV file, each with `rev` (the name of the run), `filename` and, for curves, `field` added."""
    with path.open(encoding="utf-8", newline="") as file:
        rows: Rows = list(csv.DictReader(file, delimiter=delimiter))
    return [row | {"rev": run, "filename": path.as_posix(), "field": list(row)[-1]} for row in rows]
