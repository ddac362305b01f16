"""`python -m stages recipe`: what it prints, takes and refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages.pipeline import cli

ROOT = Path(__file__).parents[2]

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in a folder with params.yaml and recipes/; returns what it prints, or its message."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)

    def command(*words: str) -> str:
        try:
            cli.run_command("recipe", words)
        except SystemExit as end:
            return str(end.code)
        return capsys.readouterr().out

    return command


def source() -> str:
    """The data that params.yaml names."""
    return str(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["download"]["source"])


def test_without_a_name(run: Run) -> None:
    """All recipes are listed, each with what it is."""
    printed = run()
    for path in Path("recipes").glob("*.yaml"):
        assert f"  {path.stem} " in printed
        assert path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") in printed


def test_a_competition(run: Run) -> None:
    """Its data comes from Kaggle unless --source says otherwise; what an earlier recipe set is gone."""
    assert "competition.classes: [pits, cracks, scratches, patches] -> [car]" in run("carvana").splitlines()
    assert source() == "kaggle"
    Path("tgs.zip").touch()
    printed = run("tgs-salt", "--source", "tgs.zip").splitlines()
    assert "competition.run_lengths.order: rows -> columns" in printed
    assert source() == "tgs.zip"  # as typed
    assert run("tgs-salt", "--source", "tgs.zip") == "nothing to change in params.yaml\n"
    assert "download.source: tgs.zip -> sample" in run("sample")


def test_a_recipe_by_its_path(run: Run) -> None:
    """Such as the one that convert writes beside a zip."""
    Path("own.zip").touch()
    Path("own.yaml").write_text(
        "# Mine.\ndownload: {source: own.zip}\ncompetition: {classes: [a, b]}\n", encoding="utf-8"
    )
    assert "competition.classes: [pits, cracks, scratches, patches] -> [a, b]" in run("own.yaml")
    assert source() == "own.zip"


def test_single_values(run: Run) -> None:
    """--set comes last."""
    printed = run("severstal-laptop", "--set", "train.folds=[0, 1]", "train.epochs=3").splitlines()
    assert "train.folds: [0] -> [0, 1]" in printed
    assert "train.epochs: 7 -> 3" in printed
    printed = run("severstal-laptop", "--set", "train.folds=[0, 2]", "--set", "train.epochs=4").splitlines()
    assert {"train.folds: [0, 1] -> [0, 2]", "train.epochs: 3 -> 4"} <= set(printed)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["severstl"], "recipe: expected the path of a .yaml file or one of airbus-ships, carvana,"),
        (["steel-900"], "recipe: steel-900: expected --source PATH, the folder or zip of its data, found none"),
        (
            ["steel-900", "--source", "x"],
            "recipe: --source: expected a folder, a zip, kaggle or sample, found nothing at x",
        ),
        (["sample", "--set", "epochs"], "recipe: --set: expected KEY=VALUE, such as train.epochs=5, found 'epochs'"),
        (["sample", "--set", "train.x=1"], "recipe: the recipe's key train.x: expected one that params.yaml has: seed"),
        (["sample", "--set", "train.epochs=-1"], "recipe: params.yaml: train: epochs: input should be greater than 0"),
        (["empty.yaml"], "recipe: empty.yaml: expected a mapping of keys to values, found None"),
        (["broken.yaml"], "recipe: broken.yaml: expected YAML, found: "),
    ],
)
def test_refusals(run: Run, words: list[str], message: str) -> None:
    """One message each, and params.yaml is as before."""
    Path("empty.yaml").touch()
    Path("broken.yaml").write_text("a: [1", encoding="utf-8")
    assert run(*words).startswith(message)
    assert Path("params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
