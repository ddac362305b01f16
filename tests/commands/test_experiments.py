"""The table of experiments, from what `dvc exp show` says of drawn ones."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from stages.ablation import experiments as in_git
from stages.commands import experiments
from stages.pipeline import cli, training_times

PARAMS = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
IMAGES = "split,image,group,class,dice,true_pixels,predicted_pixels,intersection\n"


def shown(rev: str, name: str | None, dice: float | None, **params: dict[str, Any]) -> dict[str, Any]:
    """One revision: its parameters are the committed ones with these changes; its Dice is that of both splits."""
    content = PARAMS | {section: PARAMS[section] | changes for section, changes in params.items()}
    data: dict[str, Any] = {"params": {"params.yaml": {"data": content}}, "metrics": {}}
    if dice is not None:
        figures = {"score": dice, "mean_dice": dice, "positive_mean_dice": None}
        data["metrics"] = {"metrics/evaluation.json": {"data": figures | {"validation": figures | {"mean_dice": 0.5}}}}
    return {"rev": rev, "name": name, "data": data, "error": None, "experiments": None}


def experiment(revision: dict[str, Any], state: str | None = None) -> dict[str, Any]:
    """An experiment as DVC nests it."""
    executor = None if state is None else {"state": state, "name": "dvc-task"}
    return {"name": revision["name"], "revs": [revision], "executor": executor}


def listing(*found: dict[str, Any]) -> list[dict[str, Any]]:
    """The workspace, and the branch main with these experiments."""
    main = shown("1" * 40, "main", 0.6)
    return [shown("workspace", None, 0.61), main | {"experiments": list(found)}]


def cells(text: str) -> dict[str, list[str]]:
    """The other columns by the first."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {first: others for first, *others in rows}


@pytest.fixture(autouse=True)
def scores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Six images, in which Dice is 0 or 1, of every revision; the workspace has none."""
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{split},{number}.png,{number},pit,{number % 2}.0,10,10,{number % 2 * 10}\n"
        for split in ("held_out", "validation")
        for number in range(6)
    ]
    monkeypatch.setattr(in_git, "read", lambda revision, path: IMAGES + "".join(rows))


def test_a_line_for_each_with_what_one_chooses_by() -> None:
    """Name, loss and figures of the validation folds; an interval where the images' scores are known."""
    found = experiments.read(listing(experiment(shown("2" * 40, "cce", 0.7, train={"loss": "cce"}))))
    table = cells(experiments.table(found, "validation", every_parameter=False))
    assert table["experiment"] == ["loss", "mean Dice", "Dice where there is a mask", "minutes of training"]
    assert table["workspace"] == [PARAMS["train"]["loss"], "0.500", "-", "-"]
    loss, dice, positive, _ = table["cce"]
    assert (loss, positive) == ("cce", "-")
    value, between = dice.split(" ", 1)
    low, high = map(float, between.strip("()").split(" … "))
    assert value == "0.500"
    assert 0 <= low < 0.5 < high <= 1
    assert cells(experiments.table(found, "held_out", every_parameter=False))["cce"][1].startswith("0.700 (")


def test_all_parameters_that_differ() -> None:
    """Those with two values among the lines, and no others."""
    other = shown("2" * 40, "plain", 0.7, postprocess={"enabled": False}, train={"folds": [0, 1]})
    found = experiments.read(listing(experiment(other)))
    table = cells(experiments.table(found, "validation", every_parameter=True))
    assert table["experiment"][:3] == ["loss", "train.folds", "postprocess.enabled"]
    assert table["plain"][1:3] == ["[0, 1]", "false"]
    assert table["main"][1:3] == ["[0]", "true"]


def test_another_score_of_the_competition_comes_first() -> None:
    """If one of them has it."""
    metric = {"metric": {"name": "global_dice", "empty_pair": 1}}
    found = experiments.read(listing(experiment(shown("2" * 40, "global", 0.7, competition=metric))))
    table = cells(experiments.table(found, "held_out", every_parameter=False))
    assert table["experiment"] == ["loss", "score", "mean Dice", "Dice where there is a mask", "minutes of training"]
    assert table["global"][1].startswith("0.700 (")


def test_minutes_of_the_trainings_of_this_machine() -> None:
    """By what metrics/train.json holds; other trainings have none."""
    Repo.init(no_scm=True).close()
    here, elsewhere = shown("2" * 40, "here", 0.7), shown("3" * 40, "elsewhere", 0.7)
    here["data"]["metrics"]["metrics/train.json"] = {"data": {"fold_0": {"loss": 0.25}}}
    elsewhere["data"]["metrics"]["metrics/train.json"] = {"data": {"fold_0": {"loss": 0.5}}}
    training_times.keep({"fold_0": {"loss": 0.25}}, 90)
    found = experiments.read(listing(experiment(here), experiment(elsewhere)))
    table = cells(experiments.table(found, "validation", every_parameter=False))
    assert (table["here"][-1], table["elsewhere"][-1]) == ("1.5", "-")


def test_one_that_has_not_finished() -> None:
    """Its state stands beside its name, and its figures are missing."""
    failed = experiment(shown("3" * 40, "broken", None) | {"error": {"msg": "no", "type": "Error"}, "data": None})
    queued = experiment(shown("2" * 40, "later", None), "Queued")
    table = cells(experiments.table(experiments.read(listing(queued, failed)), "validation", every_parameter=True))
    assert table["later (queued)"] == [PARAMS["train"]["loss"], "-", "-", "-"]
    assert table["broken (failed)"] == ["-", "-", "-", "-"]


def test_no_experiments(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of the workspace and the commit, how to make an experiment, and where others are."""
    monkeypatch.setattr(experiments, "_shown_by_dvc", listing)
    experiments.run(argparse.Namespace(held_out=False, all=False))
    printed = capsys.readouterr().out
    assert "| workspace" in printed
    assert "No experiments of the current commit yet: dvc exp run -n NAME" in printed


@pytest.mark.parametrize("with_dvc", [True, False])
def test_outside_of_a_repository(with_dvc: bool) -> None:
    """One message, with what DVC says."""
    if with_dvc:
        Path(".dvc").mkdir()
    command = [sys.executable, "-c", "from stages.pipeline import cli; cli.run_command('experiments', [])"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(command, env={"PYTHONPATH": str(root), "PATH": ""}, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("experiments: ")
    assert "Traceback" not in ran.stderr


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which folds its figures are of."""
    monkeypatch.setattr(experiments, "_shown_by_dvc", lambda: listing(experiment(shown("2" * 40, "cce", 0.7))))
    cli.run_command("experiments", [])
    cli.run_command("experiments", ["--held-out"])
    printed = capsys.readouterr().out
    assert printed.index("Validation folds (choose by these)") < printed.index("Held-out fold (report this)")
    assert json.dumps(printed).count("| cce ") == 2
