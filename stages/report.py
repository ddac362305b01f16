"""Write data/report.html: figures with intervals, charts and every held-out image, in one file that needs no network.

Reads what evaluate and train have written to metrics/ and data/. The charts are those of `dvc plots`.
"""

import json
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from stages.dataset.layout import Layout, Metric
from stages.dataset.prepared import Dataset
from stages.figures import gallery, report_page
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.scoring import bootstrap, evaluation, metric, per_image
from stages.scoring.per_image import ImageScores

AGAIN = "run dvc repro --force evaluate"
MASKS_HEADER = ["image", "class", "run_lengths"]


def report() -> None:
    """Run the stage."""
    options, data = settings.load(), Dataset(paths.PREPARED)
    samples = data.fold(data.held_out)
    named = Layout.of(options.competition).metric
    scores = _scores(named)
    if [sample.image for sample in samples] != scores.images:
        raise UserError(f"{paths.IMAGES_TABLE}: expected the images of the held-out fold, found others: run dvc repro")
    metrics = _read(paths.EVALUATION_METRICS, validation=dict)
    items = gallery.items(data, samples, scores, _predicted_masks())
    try:
        page = report_page.render(
            data.classes,
            bar(items, "report: images", len(samples)),
            metrics=metrics,
            headline=bootstrap.headline(scores, metrics["validation"]),
            groups=len(set(scores.groups.tolist())),
            options=options,
            warning=evaluation.warning(metrics["validation"], options.postprocess),
            score_title=metric.title(named).capitalize() if named != Metric() else None,
            engine=_read(paths.INFER_METRICS, engine=str, precision=str),
            source=_read(paths.DOWNLOAD_METRICS, source=str, sha256=str),
        )
        with outputs.file(paths.REPORT) as stream:
            stream.writelines(page)
    except (KeyError, TypeError, jinja2.TemplateError) as error:  # a figure is missing, or no number
        raise UserError(
            f"{paths.EVALUATION_METRICS}: expected the figures of this version, found others ({error}): {AGAIN}"
        ) from None
    print(f"report: {len(samples)} held-out images, {paths.REPORT.stat().st_size / 1e6:.1f} MB: {paths.REPORT}")


def _scores(named: Metric) -> ImageScores:
    """Of the images of the held-out fold."""
    try:
        with paths.IMAGES_TABLE.open(encoding="utf-8", newline="") as file:
            splits = per_image.read(file, str(paths.IMAGES_TABLE), named)
    except UserError as error:
        raise UserError(f"{error}: {AGAIN}") from None
    if "held_out" not in splits:
        raise UserError(f"{paths.IMAGES_TABLE}: expected images of the split held_out, found none: {AGAIN}")
    return splits["held_out"]


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
    try:
        table = pd.read_csv(paths.PREDICTED_MASKS, dtype=str, keep_default_na=False)
        if list(table.columns) != MASKS_HEADER:
            raise ValueError(f"the columns {', '.join(table.columns)}"[:200])
    except ValueError as error:  # of pandas too
        reason = " ".join(str(error).split())
        raise UserError(f"{paths.PREDICTED_MASKS}: expected what evaluate writes, found: {reason}: {AGAIN}") from None
    names = table[["image", "class"]].map(outputs.unescaped, na_action="ignore")
    return {
        str(image): dict(zip(masks["class"], masks["run_lengths"], strict=True))
        for image, masks in table.assign(**names).groupby("image", sort=False)
    }


if __name__ == "__main__":
    stage.run(report, __doc__)
