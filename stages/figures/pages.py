"""HTML pages of one file that need no network: the report, and the comparison of two runs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from stages.figures import overlays
from stages.figures.gallery import Item

FOLDER = Path(__file__).parent  # of the templates, their style and their scripts
_OTHER = (235, 235, 235)  # colour of what is no class of its own


@dataclass(frozen=True)
class Gallery:
    """Images of a page, under one heading.

    Attributes:
        id: in the page.
        title, note: the heading, and the lines below it.
        items: the images, as in `gallery.items`.
        layers: what is shown of each: "photo", masks by their names, "errors", or "errors of NAME" (enlarged only).
        classes: to filter by.
        clean: what an image without any of them is called.
        sorts: orders, as KEY-up or KEY-down, and what they are called; the first is that of the opened page.
        filters: keys of the images, and what it is called to show only those where they are not 0.
        wide: how many layers stand side by side if images are strips.
    """

    id: str
    title: str
    note: str
    items: Iterable[Item]
    layers: Sequence[str]
    classes: Sequence[str]
    clean: str
    sorts: Mapping[str, str]
    filters: Mapping[str, str] = field(default_factory=dict)
    wide: int = 3

    @property
    def images(self) -> Iterator[str]:
        """The images as JSON, one after the other."""
        return map(json_for_script, self.items)


def render(
    template: str,
    classes: Sequence[str],
    charts: Mapping[str, dict[str, Any]],
    galleries: Sequence[Gallery],
    **more: Any,
) -> Iterator[str]:
    """The page in parts, so that not all images are in memory at once.

    Args:
        template: its name in the folder of this module.
        classes: names, ClassId 1 first.
        charts: Vega-Lite specifications by name.
        galleries: the images.
        more: whatever else the template names.
    """
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True)
    others = {name: _OTHER for gallery in galleries for name in gallery.classes}
    return environment.get_template(template).generate(
        classes=classes,
        colours=others | {name: overlays.colour(class_id) for class_id, name in enumerate(classes, start=1)},
        charts={name: json_for_script(chart) for name, chart in charts.items()},
        vega=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        galleries=galleries,
        **more,
    )


def json_for_script(value: Any) -> str:
    """JSON that can stand inside a script element of HTML."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
