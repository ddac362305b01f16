"""The charts of `dvc plots`, from the same files and Vega-Lite templates, for other pages."""

from pathlib import Path
from typing import Any

import pandas as pd
from dvc_render.vega import VegaRenderer

from stages.pipeline import outputs
from stages.pipeline.cli import UserError

Rows = list[dict[str, Any]]


def fill(template: str, folder: Path, rows: Rows, x: str, y: str) -> dict[str, Any]:
    """Fill a template of `.dvc/plots` as `dvc plots` does.

    Args:
        template: its name, without ".json".
        folder: where the templates are.
        rows: the data, as in the CSV file, each with `rev`, the name of the run.
        x, y: columns.

    Returns:
        A Vega-Lite specification without a title. It names no version of Vega-Lite, because the page brings its own,
        which is newer than the version that the templates name for `dvc plots`.
    """
    renderer = VegaRenderer(rows, template, template=template, template_dir=str(folder), x=x, y=y, title="")
    return {key: value for key, value in renderer.get_filled_template().items() if key != "$schema"}


def read(path: Path, run: str, delimiter: str = ",") -> Rows:
    """Rows of a CSV file as text, each with `rev` (the run), `filename` and `field` (the last column) added."""
    try:
        table = pd.read_csv(path, sep=delimiter, dtype=str, keep_default_na=False)
    except ValueError as error:  # of pandas too
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected the table of a finished run, found: {reason}: run dvc repro") from None
    field, added = table.columns[-1], {"rev": run, "filename": path.as_posix()}
    plain = table.map(outputs.unescaped, na_action="ignore")
    return [
        {str(key): value for key, value in row.items()} | added | {"field": field} for row in plain.to_dict("records")
    ]
