"""The report: one HTML file that needs no network."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from stages.figures import charts, overlays

FOLDER = Path(__file__).parent  # of the template, its style and its script


def render(classes: list[str], items: Iterable[dict[str, Any]], **content: Any) -> Iterator[str]:
    """The page in parts, so that not all images are in memory at once.

    Args:
        classes: names, ClassId 1 first.
        items: the images, as in `gallery.items`.
        content: whatever else the template `report.html.j2` names.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True)
    return environment.get_template("report.html.j2").generate(
        classes=classes,
        colours={name: overlays.colour(class_id) for class_id, name in enumerate(classes, start=1)},
        charts={name: json_for_script(chart) for name, chart in charts.specifications().items()},
        vega=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        items=map(json_for_script, items),
        **content,
    )


def json_for_script(value: Any) -> str:
    """JSON that can stand inside a script element of HTML."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
