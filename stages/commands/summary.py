"""Print what the last run gave: source, headline figures, figures per class, and where the submission is.

python -m stages summary
"""

import argparse
import json
from pathlib import Path
from typing import Any

from stages.pipeline import cli, paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: all of it stands in metrics/."""


def run(given: argparse.Namespace) -> None:
    """Print the summary of the metrics and the submission in this folder."""
    source, evaluation = _read(paths.DOWNLOAD_METRICS), _read(paths.EVALUATION_METRICS)
    alarms = _read(paths.CHECK_DATA_METRICS)
    if not paths.SUBMISSION.exists():
        raise cli.UserError(f"{paths.SUBMISSION}: expected a finished run, found no submission: run make")
    print(f"\nsource: {source['source']} ({source['size']:,} bytes)\n")
    print(f"{'':28}{'held out':>10}{'validation':>12}")
    for key, title in (
        ("mean_dice", "mean Dice (the score)"),
        ("all_empty_mean_dice", "  … of predicting nothing"),
        ("positive_mean_dice", "Dice where there is a mask"),
    ):
        print(f"{title:28}{_shown(evaluation[key]):>10}{_shown(evaluation['validation'][key]):>12}")
    without = evaluation["without_postprocessing"]
    beside = evaluation["validation"]["without_postprocessing"]
    print("without post-processing")
    for key, title in (("mean_dice", "  mean Dice"), ("positive_mean_dice", "  Dice where there is a mask")):
        print(f"{title:28}{_shown(without[key]):>10}{_shown(beside[key]):>12}")
    print(f"\n{'held-out fold':28}{'Dice*':>10}{'precision':>12}{'recall':>8}{'F1':>8}{'IoU':>8}")
    for name, dice in evaluation["positive_dice"].items():
        of = evaluation["classes"][name]
        print(
            f"{name:28}{_shown(dice):>10}{_shown(of['precision']):>12}{_shown(of['recall']):>8}"
            f"{_shown(of['f1']):>8}{_shown(of['iou']):>8}"
            + ("   never predicted: collapsed" if evaluation["collapsed"][name] else "")
        )
    print("* over images that have a true mask of the class\n")
    print(
        f"alarms:     {alarms['alarms']}, warnings: {alarms['warnings']}; python -m stages.check_data tells them again"
    )
    print("pictures:   metrics/explore, metrics/evaluation")
    print(f"report:     {paths.REPORT}")
    print(f"submission: {paths.SUBMISSION}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise cli.UserError(f"{path}: expected the metrics of a finished run, found none: run make") from None
    return content


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
