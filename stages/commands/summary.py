"""Print the results of the last run: its figures, where the submission is, and what the data checks found.

python -m stages summary
"""

import argparse
import json
from pathlib import Path
from typing import Any

from stages.dataset.layout import Layout, Metric
from stages.pipeline import cli, paths, settings
from stages.scoring import evaluation as figures
from stages.scoring import metric

HEADLINE = {
    "mean_dice": "mean Dice",
    "all_empty_mean_dice": "  … of predicting nothing",
    "positive_mean_dice": "Dice where there is a mask",
}
PLAIN = {"mean_dice": "  mean Dice", "positive_mean_dice": "  Dice where there is a mask"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options: all figures are in metrics/."""


def run(given: argparse.Namespace) -> None:
    """Print the summary of the metrics and the submission in this folder."""
    source, evaluation = _read(paths.DOWNLOAD_METRICS), _read(paths.EVALUATION_METRICS)
    checks, options = _read(paths.CHECK_DATA_METRICS), settings.load()
    if not paths.SUBMISSION.exists():
        raise cli.UserError(f"{paths.SUBMISSION}: expected a finished run, found no submission: run make")
    try:
        print(f"\nsource: {source['source']} ({source['size']:,} bytes)\n")
        _print_headline(evaluation, Layout.of(options.competition).metric)
        _print_classes(evaluation)
        _print_engine(_read(paths.INFER_METRICS), evaluation.get("notebook"))
        counts = f"{_counted(checks['problems'], 'problem')}, {_counted(checks['warnings'], 'warning')}"
        findings = [*map(str, checks["findings"].values())]
        warning = figures.warning(evaluation["validation"], options.postprocess)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        # ValueError, OverflowError: a text or a huge number where a figure belongs
        raise cli.UserError(f"metrics: expected the figures of this version, found no {error}: run dvc repro") from None
    print(f"data checks: {counts}{', listed below' if findings else ''}")
    print("pictures:    metrics/explore, metrics/evaluation")
    print(f"report:      {paths.REPORT}")
    print(f"submission:  {paths.SUBMISSION}")
    for finding in findings:
        print(finding)
    if warning is not None:
        print(f"WARNING: {warning}")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _print_headline(evaluation: dict[str, Any], named: Metric) -> None:
    validation = evaluation["validation"]
    titles, plain = HEADLINE | {"mean_dice": "mean Dice (the score)"}, PLAIN
    if named != Metric():
        titles = {"score": metric.title(named), "all_empty_score": "  … of predicting nothing"} | HEADLINE
        plain = {"score": "  score"} | PLAIN
    width = max(28, *(len(title) + 1 for title in titles.values()))
    print(f"{'':{width}}{'held out':>10}{'validation':>12}")
    for key, title in titles.items():
        print(f"{title:{width}}{_format(evaluation[key]):>10}{_format(validation[key]):>12}")
    print("without post-processing")
    for key, title in plain.items():
        figures = [part["without_postprocessing"][key] for part in (evaluation, validation)]
        print(f"{title:{width}}{_format(figures[0]):>10}{_format(figures[1]):>12}")


def _print_classes(evaluation: dict[str, Any]) -> None:
    print(f"\n{'held-out fold':28}{'Dice*':>10}{'precision':>12}{'recall':>8}{'F1':>8}{'IoU':>8}")
    for name, dice in evaluation["positive_dice"].items():
        figures = evaluation["classes"][name]
        print(
            f"{name:28}{_format(dice):>10}{_format(figures['precision']):>12}{_format(figures['recall']):>8}"
            f"{_format(figures['f1']):>8}{_format(figures['iou']):>8}"
            + ("   never predicted: collapsed" if evaluation["collapsed"][name] else "")
        )
    print("* mean over images that have a true mask of the class; the others over all pixels\n")


def _print_engine(infer: dict[str, Any], notebook: dict[str, Any] | None) -> None:
    print(f"computed by: {infer['engine']} in {infer['precision']}")
    if notebook is not None:
        print(
            f"             the Kaggle notebook's way scores {_format(notebook['mean_dice'])}, where there is a mask "
            f"{_format(notebook['positive_mean_dice'])}; {notebook['masks_that_differ']} masks differ"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise cli.UserError(f"{path}: expected the metrics of a finished run, found none: run make") from None
    return content


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
