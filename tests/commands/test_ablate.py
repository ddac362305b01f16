"""`ablate` with experiments that are commits made by the test: nothing is trained."""

import csv
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.ablation import gains, plan
from stages.ablation.runs import STAGES
from stages.commands import ablate
from stages.pipeline.cli import UserError
from tests.support.ablations import images_table

ROOT = Path(__file__).parents[2]
HITS = {"cce": 4, "dice": 8, "focal": 2}  # of 10 pixels, by train.loss: Dice 0.4, 0.8 and 0.2
PLAN: dict[str, Any] = {
    "data": "sample",
    "baseline": {"set": {"competition.classes": ["pit"], "train.loss": "cce", "train.class_weights": None},
                 "seeds": [1, 2]},
    "variants": [
        {"name": "Dice loss", "set": {"train.loss": "dice"}},
        {"name": "mirror", "set": {"train.loss": "dice", "inference.flips": True}, "compared_with": "Dice loss"},
    ],
    "last": {"name": "final", "set": {"train.loss": "focal"}},
}  # fmt: skip
ALL = ["ablation-baseline-1", "ablation-baseline-2", "ablation-dice-loss-1", "ablation-mirror-1", "ablation-final-1"]


def git(*words: str, text: str | None = None, index: Path | None = None) -> str:
    """Run git in the working folder."""
    environment = os.environ | {
        f"GIT_{role}_{key}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")
    }
    environment |= {"GIT_INDEX_FILE": str(index)} if index else {}
    return subprocess.run(
        ["git", *words], input=text, env=environment, text=True, capture_output=True, check=True
    ).stdout.strip()


class Experiments:
    """Plays `dvc exp run`: a commit of the workspace with other parameters and drawn scores, under DVC's reference."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fails = ""

    def __call__(self, name: str, changes: dict[str, Any], targets: Sequence[str]) -> None:
        """Make the commit of one experiment."""
        if name == self.fails:
            raise UserError(f"{name} failed")
        self.ran.append(name)
        assert targets == ("evaluate",)
        params = plan.changed(yaml.safe_load(Path("params.yaml").read_text()), changes, name)
        hit = HITS[params["train"]["loss"]] + (params["train"]["seed"] == 2)
        scores = "\n".join(images_table([hit] * 6, [3.0] * 6 if "final" in name else None)) + "\n"
        index = Path(".git/played")
        git("read-tree", "HEAD", index=index)
        git("add", "--update", index=index)
        for path, text in (("params.yaml", yaml.safe_dump(params)), ("metrics/images.csv", scores)):
            blob = git("hash-object", "-w", "--stdin", text=text)
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", index=index)
        commit = git("commit-tree", "-p", "HEAD", "-m", name, git("write-tree", index=index))
        git("update-ref", f"refs/exps/ab/cdef/{name}", commit)

    def since(self) -> list[str]:
        """The experiments that have run since the last question."""
        ran, self.ran = self.ran, []
        return ran


@pytest.fixture
def experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiments:
    """A repository with the committed params.yaml, stages of one line each, and `PLAN`; it is the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    described = {name: {"deps": ["data/raw", f"stages/{name}.py", "stages/dataset"]} for name in STAGES}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": described | {"explore": {"deps": ["stages/explore.py"]}}}))
    Path("stages/dataset").mkdir(parents=True)
    for name in [*STAGES, "explore", "dataset/rle"]:
        Path(f"stages/{name}.py").write_text(f'"""{name}."""\n')
    git("init", "-q", "-b", "main")
    git("add", "--all")
    git("commit", "-q", "-m", "start")
    write_plan()
    return Experiments()


def write_plan(**changes: Any) -> None:
    """Write ablation.yaml: `PLAN` with some keys changed."""
    Path("ablation.yaml").write_text(yaml.safe_dump(PLAN | changes))


def table() -> dict[str, dict[str, str]]:
    """The lines of metrics/ablation.csv by name."""
    with Path("metrics/ablation.csv").open(newline="") as file:
        return {line["variant"]: line for line in csv.DictReader(file)}


def test_variants_run_in_order(experiments: Experiments, capsys: pytest.CaptureFixture[str]) -> None:
    """Variant by variant and seed by seed, each as an experiment; only train.seed differs between seeds."""
    ablate.ablate(runner=experiments)
    assert experiments.ran == ALL
    assert "ablate: 1/4 baseline, seed 2: runs as the experiment ablation-baseline-2\n" in capsys.readouterr().out
    written = [yaml.safe_load(git("show", f"refs/exps/ab/cdef/{name}:params.yaml")) for name in ALL[:2]]
    assert [content["train"].pop("seed") for content in written] == [1, 2]
    assert written[0] == written[1]


def test_the_table(experiments: Experiments) -> None:
    """Means over seeds; gains over the variant compared with, of the seeds that both have; the spread of the seeds."""
    ablate.ablate(runner=experiments)
    lines = table()
    assert list(lines) == ["baseline", "Dice loss", "mirror", "final"]
    assert list(lines["baseline"]) == gains.HEADER
    baseline, loss, mirror, final = lines.values()
    assert (baseline["seeds"], baseline["mean_dice"], baseline["seed_spread"]) == ("2", "0.45", "0.1")
    assert (baseline["compared_with"], baseline["mean_dice_gain"], baseline["verdict"]) == ("", "", "")
    assert (loss["compared_with"], loss["changed"], loss["seed_spread"]) == ("baseline", "train.loss=dice", "")
    # Seed 1 of both: 0.8 less 0.4 on each image, so in every draw.
    assert [loss[f"mean_dice_{name}"] for name in ("gain", "low", "high")] == ["0.4"] * 3
    assert [loss[f"positive_{name}"] for name in ("gain", "low", "high")] == ["0.4"] * 3
    assert loss["verdict"] == "gain"
    assert (mirror["compared_with"], mirror["mean_dice"], mirror["mean_dice_gain"]) == ("Dice loss", "0.8", "0.0")
    assert (mirror["changed"], mirror["verdict"]) == ("inference.flips=true; train.loss=dice", "the data cannot tell")
    assert (final["mean_dice_gain"], final["verdict"]) == ("-0.2", "loss")


def test_the_held_out_fold_is_read_for_the_last_variant_alone(experiments: Experiments) -> None:
    """Elsewhere its lines are nonsense, which nobody notices; the last variant has its figures."""
    ablate.ablate(runner=experiments)
    lines = table()
    assert {line["held_out_mean_dice"] for name, line in lines.items() if name != "final"} == {""}
    assert (lines["final"]["held_out_mean_dice"], lines["final"]["held_out_positive_mean_dice"]) == ("0.3", "0.3")
    shown = ablate.show()
    assert "Held-out fold, final: mean Dice 0.3000, where there is a mask 0.3000" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("| Dice loss")]
    assert [cell.strip() for cell in line.split("|")[3:7]] == ["1", "0.8000", "+0.4000", "+0.4000 … +0.4000"]


def test_what_has_run_is_not_run_again(experiments: Experiments) -> None:
    """A second call reads. A change runs what it concerns: one variant's parameters, the baseline's, the code."""
    ablate.ablate(runner=experiments)
    first = Path("metrics/ablation.csv").read_bytes()
    experiments.since()
    ablate.ablate(runner=experiments)
    assert (experiments.since(), Path("metrics/ablation.csv").read_bytes()) == ([], first)
    write_plan(variants=[PLAN["variants"][0], {"name": "mirror", "set": {"train.epochs": 3}}])
    ablate.ablate(runner=experiments)
    assert experiments.since() == ["ablation-mirror-1"]
    Path("stages/dataset/rle.py").write_text("changed = True\n")
    ablate.ablate(runner=experiments, only=["baseline"])
    assert experiments.since() == ALL[:2]
    Path("stages/explore.py").write_text("changed = True\n")
    ablate.ablate(runner=experiments, only=["baseline"])
    assert experiments.since() == []


def test_other_data_runs_everything_again(experiments: Experiments) -> None:
    """The path is made absolute, since an experiment runs in another folder."""
    ablate.ablate(runner=experiments)
    experiments.since()
    ablate.ablate(data="elsewhere.zip", runner=experiments)
    assert experiments.since() == ALL
    params = yaml.safe_load(git("show", f"refs/exps/ab/cdef/{ALL[0]}:params.yaml"))
    assert params["download"]["source"] == str(Path.cwd() / "elsewhere.zip")


def test_a_failing_variant_leaves_the_earlier_ones(experiments: Experiments) -> None:
    """The table holds the variants before it; the next call continues."""
    experiments.fails = "ablation-dice-loss-1"
    with pytest.raises(UserError, match="ablation-dice-loss-1 failed"):
        ablate.ablate(runner=experiments)
    assert list(table()) == ["baseline"]
    experiments.fails = ""
    experiments.since()
    ablate.ablate(runner=experiments)
    assert experiments.since() == ALL[2:]


def test_some_variants(experiments: Experiments) -> None:
    """A variant whose counterpart has not run says why it has no gain; an unknown name is reported."""
    ablate.ablate(runner=experiments, only=["Dice loss"])
    assert list(table()) == ["Dice loss"]
    assert table()["Dice loss"]["verdict"] == "not compared: baseline has not run"
    ablate.ablate(runner=experiments, only=["baseline"])
    assert table()["Dice loss"]["verdict"] == "gain"
    with pytest.raises(UserError, match=r"--only: expected variants of ablation.yaml \(baseline, Dice loss, mirror"):
        ablate.ablate(runner=experiments, only=["Mirror"])


def test_without_data_nothing_runs(experiments: Experiments) -> None:
    """The message says both ways to name it."""
    write_plan(data=None)
    with pytest.raises(UserError, match=r"ablation.yaml: data: expected sample, kaggle or a path, found none"):
        ablate.ablate(runner=experiments)
    assert (experiments.ran, Path("metrics").exists()) == ([], False)


def test_no_table(experiments: Experiments) -> None:
    """--show says what makes one."""
    with pytest.raises(UserError, match=r"ablation.csv: expected the table of an ablation, found none: run make abla"):
        ablate.show()


def test_it_starts_without_tensorflow() -> None:
    """Which takes seconds."""
    code = "import sys, stages.commands.ablate; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
