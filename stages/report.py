"""Write data/report.html: a verdict, figures with intervals, charts and images, in one file that needs no network.

Reads what the stages before it have written to metrics/ and data/. The charts are those of `dvc plots`; the masks of
the test images are those of data/submission.csv.
"""

import json
from pathlib import Path
from typing import Any

import jinja2

from stages.dataset.layout import Layout, Metric
from stages.dataset.prepared import Dataset, Sample
from stages.figures import charts, gallery, headline, pages, predicted, report_galleries, submitted
from stages.figures.definitions import DEFINITIONS, DICE
from stages.figures.pages import Gallery
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.pipeline.settings import Settings
from stages.scoring import evaluation, per_image, verdict
from stages.scoring.per_image import ImageScores

AGAIN = "run dvc repro --force evaluate"


def report() -> None:
    """Run the stage."""
    options, data = settings.load(), Dataset(paths.PREPARED)
    layout, samples = Layout.of(options.competition), data.fold(data.held_out)
    scores = _scores(layout.metric)
    if [sample.image for sample in samples] != scores["held_out"].images:
        raise UserError(f"{paths.IMAGES_TABLE}: expected the images of the held-out fold, found others: run dvc repro")
    sent = submitted.read(paths.SUBMISSION, paths.TEST_IMAGES, layout)
    galleries, width = _galleries(data, samples, scores["held_out"], sent)
    try:
        page = pages.render(
            "report.html.j2",
            data.classes,
            charts.specifications(),
            galleries,
            reduced=width if width == gallery.WIDTH else None,
            **_content(options, scores),
        )
        with outputs.file(paths.REPORT) as stream:
            stream.writelines(page)
    except (KeyError, TypeError, jinja2.TemplateError) as error:  # a figure is missing, or no number
        raise UserError(
            f"{paths.EVALUATION_METRICS}: expected the figures of this version, found others ({error}): {AGAIN}"
        ) from None
    size = paths.REPORT.stat().st_size / 1e6
    print(f"report: {len(samples)} held-out and {len(sent.shown)} test images, {size:.1f} MB: {paths.REPORT}")


def _content(options: Settings, scores: dict[str, ImageScores]) -> dict[str, Any]:
    """What the page says besides charts and images."""
    metrics = _read(paths.EVALUATION_METRICS, validation=dict)
    source = _read(paths.DOWNLOAD_METRICS, source=str, sha256=str)
    held_out, validation = scores["held_out"], scores["validation"]
    rows = headline.table(held_out, validation, metrics)
    return {
        "title": title(source["source"], options.competition.slug),
        "verdict": verdict.sentences(held_out, validation),
        "tiles": headline.tiles(rows, held_out, metrics),
        "rows": rows,
        "metrics": metrics,
        "groups": len(set(held_out.groups.tolist())),
        "options": options,
        "warning": evaluation.warning(metrics["validation"], options.postprocess),
        "warnings": _data_warnings(),
        "expected": _read(paths.EXPECTED_DICE_METRICS, held_out=dict, level=float),
        "engine": _read(paths.INFER_METRICS, engine=str, precision=str),
        "source": source,
        "definitions": DEFINITIONS,
        "dice": DICE,
    }


def _data_warnings() -> list[str]:
    """What check_data found, in one sentence each, the most serious first."""
    found = _read(paths.CHECK_DATA_METRICS, findings=dict)["findings"]
    return [*map(str, found.values())]


def title(source: str, slug: str) -> str:
    """What the report is called, by `download.source`.

    >>> title("sample", "steel"), title("kaggle", "steel"), title("~/scans/coils.zip", "steel")
    ('Built-in sample', 'steel', 'coils.zip')
    """
    return {"sample": "Built-in sample", "kaggle": slug}.get(source, Path(source).name or source)


def _galleries(
    data: Dataset, samples: list[Sample], scores: ImageScores, sent: submitted.SentImages
) -> tuple[list[Gallery], int]:
    """The held-out and the test images, and to which width their photographs are reduced."""
    pixels = sum(height * width for height, width in (sample.size for sample in samples))
    width = gallery.width(pixels + sent.pixels)
    held_out = gallery.items(data, samples, scores, _predicted_masks(), width)
    shown = bar(held_out, "report: images", len(samples))
    test = bar(sent.items(width), "report: test images", len(sent.shown))
    return [
        report_galleries.held_out(shown, len(samples), data.classes),
        report_galleries.test(test, sent, data.classes),
    ], width


def _scores(named: Metric) -> dict[str, ImageScores]:
    """Of the images of each split."""
    try:
        with paths.IMAGES_TABLE.open(encoding="utf-8", newline="") as file:
            splits = per_image.read(file, str(paths.IMAGES_TABLE), named)
    except UserError as error:
        raise UserError(f"{error}: {AGAIN}") from None
    for split in ("held_out", "validation"):
        if split not in splits:
            raise UserError(f"{paths.IMAGES_TABLE}: expected images of the split {split}, found none: {AGAIN}")
    return splits


def _read(path: Path, **kinds: type) -> dict[str, Any]:
    """The content of a file of metrics, in which these names have values of these kinds."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not all(isinstance(content.get(name), kind) for name, kind in kinds.items()):
        raise UserError(f"{path}: expected the metrics of a finished run, found a damaged file: run dvc repro")
    return content


def _predicted_masks() -> dict[str, dict[str, str]]:
    """Run lengths by image and class."""
    with paths.PREDICTED_MASKS.open(encoding="utf-8", newline="") as file:
        return predicted.read(file, str(paths.PREDICTED_MASKS), AGAIN)


if __name__ == "__main__":
    stage.run(report, __doc__)
