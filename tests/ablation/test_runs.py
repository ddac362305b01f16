"""An ablation of the whole pipeline on a tiny competition, with real trainings of one epoch."""

import csv
from pathlib import Path

import pytest
import yaml

from tests.conftest import draw_competition
from tests.support import tiny_project


@pytest.mark.prove
def test_an_ablation_of_the_real_pipeline(tmp_path: Path) -> None:
    """Seeds share the images and the folds; a variant without another training takes its network from the run cache."""
    source = draw_competition(tmp_path / "competition")
    folder = tiny_project.repository(tmp_path / "project", "sample")
    plan = {
        "baseline": {"seeds": [1, 2]},
        "variants": [{"name": "plain", "set": {"postprocess.enabled": False}}],
    }
    (folder / "ablation.yaml").write_text(yaml.safe_dump(plan))
    before = (folder / "params.yaml").read_bytes()
    printed = tiny_project.call(folder, "python", "-m", "stages", "ablate", "--data", str(source))
    assert printed.count("Running stage 'preprocess'") == 1
    assert printed.count("Running stage 'train'") == 2
    assert printed.count("Running stage 'evaluate'") == 3
    with (folder / "metrics/ablation.csv").open(newline="") as file:
        baseline, plain = csv.DictReader(file)
    assert (baseline["variant"], baseline["seeds"], plain["compared_with"]) == ("baseline", "2", "baseline")
    assert plain["mean_dice_gain"]
    assert (folder / "params.yaml").read_bytes() == before
    assert not (folder / "data/raw").exists()
    again = tiny_project.call(folder, "python", "-m", "stages", "ablate", "--data", str(source))
    assert again.count("already run") == 3
    assert "Running stage" not in again
