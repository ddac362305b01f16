"""Write data/report.html: figures with intervals, charts and every held-out image, in one file that needs no network.

Reads what evaluate and train left in metrics/ and data/; the charts are those of `dvc plots`.
"""

import csv
import json
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from tqdm import tqdm

from stages.dataset.prepared import Dataset
from stages.figures import gallery, overlays, vega
from stages.pipeline import cli, outputs, paths, settings
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap, per_image
from stages.scoring.per_image import ImageScores

csv.field_size_limit(2**31 - 1)  # run lengths of a torn mask are long
RUN = "this run"
PAGES = Path(__file__).parent / "figures"


def report() -> None:
    """Run the stage."""
    options = settings.load()
    data = Dataset(paths.PREPARED)
    with paths.IMAGES_TABLE.open(encoding="utf-8", newline="") as file:
        scores = per_image.read(file, str(paths.IMAGES_TABLE))["held_out"]
    entries = data.fold(data.held_out)
    if [entry.image for entry in entries] != scores.images:
        raise UserError(f"{paths.IMAGES_TABLE}: expected the images of the held-out fold, found others: run dvc repro")
    metrics = json.loads(paths.EVALUATION_METRICS.read_text(encoding="utf-8"))
    items = gallery.items(data, entries, scores, _predicted())
    loader = jinja2.FileSystemLoader(PAGES)
    page = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("report.html.j2")
    with outputs.file(paths.REPORT) as stream:
        for part in page.generate(
            metrics=metrics,
            classes=data.classes,
            colours={name: overlays.colour(k) for k, name in enumerate(data.classes, start=1)},
            figures=intervals(scores, metrics),
            groups=len(set(scores.groups.tolist())),
            options=options,
            source=json.loads(paths.DOWNLOAD_METRICS.read_text(encoding="utf-8")),
            charts={name: json_for_script(chart) for name, chart in _charts().items()},
            vega=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
            items=map(json_for_script, tqdm(items, "report: images", len(entries), unit=" images", disable=None)),
        ):
            stream.write(part)
    print(f"report: {len(entries)} held-out images, {paths.REPORT.stat().st_size / 1e6:.1f} MB: {paths.REPORT}")


def intervals(scores: ImageScores, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the headline table: title, value, 95% interval (None where undefined), figure of the validation folds."""
    drawn = bootstrap.figures(scores, bootstrap.draws(scores.groups))
    value = {name: float(values[0]) for name, values in bootstrap.figures(scores).items()}
    titles = {"mean_dice": "Mean Dice, the competition's score", "positive_mean_dice": "Dice where there is a mask"}
    titles |= {f"positive_dice.{name}": name for name in scores.classes}
    return [
        {
            "title": title,
            "of_class": "." in name,
            "value": value[name] if value[name] == value[name] else None,
            "interval": bootstrap.interval(drawn[name]),
            "few": bootstrap.groups(scores, name) < bootstrap.FEWEST,
            "validation": metrics["validation"].get(name),
        }
        for name, title in titles.items()
    ]


def json_for_script(value: Any) -> str:
    """JSON that can stand inside a script element of HTML."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _predicted() -> dict[str, dict[str, str]]:
    masks: dict[str, dict[str, str]] = {}
    with paths.PREDICTED_MASKS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            masks.setdefault(row["image"], {})[row["class"]] = row["run_lengths"]
    return masks


def _charts() -> dict[str, dict[str, Any]]:
    curves = [row for file in sorted(paths.TRAIN_CURVES.glob("*/plots/metrics/*.tsv")) for row in _curve(file)]
    tables = {
        "curves": ("curves", curves, "step", "value", ""),
        "confusion": ("confusion_shares", vega.read(paths.CONFUSION_TABLE, RUN), "predicted", "actual", ""),
        "classes": ("class_bars", vega.read(paths.CLASSES_TABLE, RUN), "class", "value", ""),
        "precision_recall": (
            "precision_recall",
            vega.read(paths.PRECISION_RECALL_TABLE, RUN),
            "recall",
            "precision",
            "",
        ),
        "presence": ("presence_shares", vega.read(paths.PRESENCE_TABLE, RUN), "predicted", "actual", ""),
        "reliability": (
            "reliability",
            vega.read(paths.RELIABILITY_TABLE, RUN),
            "probability",
            "observed",
            "",
        ),
        "sizes": ("dice_by_size", vega.read(paths.IMAGES_TABLE, RUN), "true_pixels", "dice", ""),
    }
    return {
        name: vega.fill(template, paths.PLOT_TEMPLATES, rows, x, y, title)
        for name, (template, rows, x, y, title) in tables.items()
        if rows
    }


def _curve(file: Path) -> vega.Rows:
    """One curve of DVCLive, whose value stands in a column of its own name."""
    return [row | {"value": row[row["field"]]} for row in vega.read(file, RUN, delimiter="\t")]


if __name__ == "__main__":
    cli.run(report, __doc__)
