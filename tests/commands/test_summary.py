"""The summary of a run, from figures made by hand."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stages.commands import summary
from stages.dataset.layout import Layout
from stages.dataset.prepared import Sample
from stages.pipeline import outputs, paths, settings
from stages.scoring import evaluation, overlaps
from stages.scoring.evaluation import ScoredImage

ROOT = Path(__file__).parents[2]
FINDING = "PROBLEM: leakage: 1 pair(s) of near-duplicates lie in different folds"


def printed(capsys: pytest.CaptureFixture[str], **competition: Any) -> list[str]:
    """The lines for one image: 8 pixels are pits and 2 lines; 4 pits are found, and the lines are taken for pits."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["competition"] |= {"classes": ["pit", "line"]}
    for section, changes in competition.items():
        params["competition"][section] |= changes
    params["train"]["class_weights"] = None
    paths.PARAMS.write_text(yaml.safe_dump(params))
    metric = Layout.of(settings.load().competition).metric
    matrix = np.array([[90, 0, 0], [4, 4, 0], [0, 2, 0]])
    counts = overlaps.of_matrix(matrix)
    images = [ScoredImage(Sample(0, "x.jpg", 0, 0, (8, 2), (10, 10)), matrix, counts, counts, [True, True], None)]
    figures = evaluation.figures(images, ["pit", "line"], metric)
    figures |= {"validation": evaluation.headline(images, metric)}
    outputs.write_metrics(paths.EVALUATION_METRICS, figures)
    outputs.write_metrics(paths.INFER_METRICS, {"engine": "tensorflow", "precision": "float32"})
    outputs.write_metrics(paths.DOWNLOAD_METRICS, {"source": "drawn", "size": 1})
    outputs.write_metrics(paths.CHECK_DATA_METRICS, {"problems": 1, "warnings": 0, "findings": {"1": FINDING}})
    paths.SUBMISSION.parent.mkdir(exist_ok=True)
    paths.SUBMISSION.write_text("")
    summary.run(Namespace())
    return capsys.readouterr().out.splitlines()[3:13]


def test_the_score_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mean Dice is (2·4/(8 + 6) + 0) / 2; global Dice 8/16; joined 2·6/(10 + 6). Nothing predicted: 0."""
    monkeypatch.chdir(tmp_path)
    dice = ["Dice where there is a mask       0.286       0.286"]
    assert printed(capsys)[1:7] == [
        "mean Dice (the score)            0.286       0.286",
        "  … of predicting nothing        0.000       0.000",
        *dice,
        "without post-processing",
        "  mean Dice                      0.286       0.286",
        "  Dice where there is a mask     0.286       0.286",
    ]
    assert printed(capsys, metric={"name": "global_dice"})[1:8] == [
        "score (global_dice)              0.500       0.500",
        "  … of predicting nothing        0.000       0.000",
        "mean Dice                        0.286       0.286",
        "  … of predicting nothing        0.000       0.000",
        *dice,
        "without post-processing",
        "  score                          0.500       0.500",
    ]
    lines = printed(capsys, submission={"rows": "images"})
    assert lines[1].split()[-2:] == ["0.750", "0.750"]
    assert lines[1].startswith("score (mean_dice, classes joined) ")
    assert {len(line) for line in [*lines[:6], *lines[7:]]} == {len(lines[0])}


def test_a_costly_search_is_warned_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Post-processing took a half of the Dice where there is a mask: the last line says so, after the data checks.

    Else what the data checks found is the last.
    """
    monkeypatch.chdir(tmp_path)
    printed(capsys)
    summary.run(Namespace())
    lines = capsys.readouterr().out.splitlines()
    assert "data checks: 1 problem, 0 warnings, listed below" in lines
    assert lines[-1] == FINDING
    metrics = json.loads(paths.EVALUATION_METRICS.read_text())
    metrics["validation"] |= {"positive_mean_dice": 0.35, "without_postprocessing": {"positive_mean_dice": 0.7}}
    metrics["validation"]["without_postprocessing"]["mean_dice"] = 0.5
    paths.EVALUATION_METRICS.write_text(json.dumps(metrics))
    summary.run(Namespace())
    *_, finding, warning = capsys.readouterr().out.splitlines()
    assert finding == FINDING
    assert warning.startswith("WARNING: post-processing costs 50.0% of the Dice")
