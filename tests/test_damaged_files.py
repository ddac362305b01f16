"""Files that a command reads and that are empty, damaged or of an older version: one message, no traceback."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from stages.ablation import plan
from stages.commands import ablate, compare
from stages.kaggle import leaderboard
from stages.kaggle.journal import Journal
from stages.pipeline import cli
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[1]
DAMAGED = [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'"unclosed', b"x" * 200_000]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed metrics and parameters, in a folder of their own."""
    shutil.copytree(ROOT / "metrics", tmp_path / "metrics")
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/submission.csv").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("metrics/leaderboard.csv", leaderboard.read),
        ("metrics/ablation.csv", lambda path: ablate.show()),
        ("metrics/confusion.csv", lambda path: compare.load("workspace")),
        ("metrics/images.csv", lambda path: compare.load("workspace")),
    ],
)
def test_a_damaged_table(file: str, read: Callable[[Path], object], content: bytes) -> None:
    """Its name is in the message."""
    Path(file).write_bytes(content)
    with pytest.raises(UserError, match=file):
        read(Path(file))


def test_a_row_of_the_leaderboard_with_too_few_cells() -> None:
    """The message names the row."""
    path = Path("metrics/leaderboard.csv")
    path.write_text(",".join(leaderboard.COLUMNS) + "\na,b\n")
    with pytest.raises(UserError, match=r"leaderboard.csv, row 1: expected 8 cells, found 2"):
        leaderboard.read(path)


@pytest.mark.parametrize("content", ["", "[]", "null", "5", '"x"', '{"submission": []}', "[" * 100_000])
def test_a_damaged_journal(content: str) -> None:
    """It says where to look what has been sent."""
    path = Path("data/submitted.json")
    path.write_text(content)
    with pytest.raises(UserError, match=r"data/submitted.json: expected .* look on Kaggle what has been sent"):
        Journal(path)


def test_a_plan_that_has_not_run() -> None:
    """Its table stands beside it, and the message names the command that runs it."""
    message = r"mine.csv: expected the table of an ablation, found none: run make ablation PLAN='my plans/mine.yaml'"
    with pytest.raises(UserError, match=message):
        ablate.show(Path("my plans/mine.yaml"))


@pytest.mark.parametrize(
    "name", ["", ".", "My plan.yaml", "plan.yml", "metrics/ablation.csv", "a--b.yaml", "a\nb.yaml"]
)
def test_a_plan_under_a_wrong_name(name: str) -> None:
    """It is refused before anything is read or run, in one line."""
    for act in (ablate.ablate, ablate.show):
        with pytest.raises(UserError, match=r"--plan: expected a file with a name of small letters, .* found '.*'$"):
            act(path=Path(name))


def test_a_plan_beside_a_table_of_another_kind() -> None:
    """The table of the plan would replace it."""
    with pytest.raises(UserError, match=r"images.yaml: expected no other file .*, found metrics/images.csv: rename"):
        ablate.ablate(path=Path("metrics/images.yaml"))


@pytest.mark.parametrize("content", ["", "damaged", "<<<<<<< HEAD"])
def test_a_damaged_table_is_written_again(content: str) -> None:
    """The default plan owns metrics/ablation.csv, whatever is in it."""
    Path("metrics/ablation.csv").write_text(content)
    shutil.copyfile(ROOT / "ablation.yaml", "ablation.yaml")
    with pytest.raises(UserError, match="--only: expected variants of"):
        ablate.ablate("sample", ["nothing"])


def test_numbers_of_an_ablation_that_are_texts() -> None:
    """The figures of the held-out fold are shown with four places."""
    path = Path("metrics/ablation.csv")
    table = pd.read_csv(path)
    table.assign(held_out_mean_dice="x", held_out_positive_mean_dice="y").to_csv(path, index=False)
    with pytest.raises(UserError, match=r"metrics/ablation.csv: expected the table of an ablation, found another"):
        ablate.show()


@pytest.mark.parametrize("content", ['{"mean_dice": "x"}', f'{{"mean_dice": 1{"0" * 400}}}', "[" * 100_000])
def test_metrics_that_are_no_numbers(content: str) -> None:
    """A text where a number belongs, and lists without an end."""
    path = Path("metrics/evaluation.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | json.loads(content)) if content[0] == "{" else content)
    with pytest.raises(SystemExit, match=r"summary: metrics.*: expected the (figures|metrics) of"):
        cli.run_command("summary", [])


def test_a_number_beyond_64_bits() -> None:
    """In the confusion matrix."""
    path = Path("metrics/confusion.csv")
    path.write_text(path.read_text().replace("background,background,", f"background,background,{2**70}"))
    with pytest.raises(UserError, match=r"metrics/confusion.csv: expected a confusion matrix"):
        compare.load("workspace")


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"alarms": 0}'])
@pytest.mark.parametrize("name", ["download", "evaluation", "check_data"])
def test_metrics_of_another_shape(name: str, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`summary` says that they are not of this version."""
    Path(f"metrics/{name}.json").write_text(content)
    with pytest.raises(SystemExit, match="summary: metrics: expected the figures of this version"):
        cli.run_command("summary", [])
    assert json.loads(content) is None or "Traceback" not in capsys.readouterr().err


def test_an_old_parameter_in_an_ablation() -> None:
    """The message names the new one, as in params.yaml."""
    with pytest.raises(UserError, match=r"'train.defect_crops' is now called 'foreground_fraction'"):
        plan.changed({"train": {"foreground_fraction": 0.5}}, {"train.defect_crops": 0}, "ablation.yaml: a: set")


def test_submit_without_git() -> None:
    """In a folder that is no git repository, as a downloaded zip is."""
    Path(".dvc").mkdir()
    code = "from stages.commands import submit; from stages.pipeline import cli; cli.guard('submit', submit._repo)"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GIT_CEILING_DIRECTORIES": str(Path.cwd().parent)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("submit: expected a git repository")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("words", [["stages"], ["stages", "submit", "--help"], ["stages.explore", "--help"]])
def test_help_in_any_locale(words: list[str]) -> None:
    """Where the output has no …, it prints ? instead."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")
