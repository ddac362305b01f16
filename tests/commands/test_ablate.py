"""The gain ledger, with stages that are played: no network is trained."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stages.ablation import gains
from stages.ablation import plan as plans
from stages.ablation.gains import Result
from stages.ablation.plan import Row
from stages.ablation.runs import DATA_STAGES, FOLDER, ROW_STAGES, run_stage
from stages.commands import ablate
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap, per_image
from stages.scoring.per_image import ImageScores

ROOT = Path(__file__).parents[2]
STAGES = [*DATA_STAGES, *ROW_STAGES]
PARAMS = {  # what each stage reads, as dvc.yaml says
    "download": ["seed", "download"],
    "preprocess": ["seed", "preprocess", "competition.classes"],
    "train": ["seed", "train"],
    "infer": ["inference", "train.folds"],
    "postprocess": ["inference.flips"],
    "evaluate": ["train.folds"],
}
HEADER = "split,image,group,class,dice,true_pixels,predicted_pixels,intersection"
HITS = {"cce": 4, "dice": 8, "focal": 2}  # of 10 pixels, by train.loss: Dice 0.4, 0.8 and 0.2
PLAN: dict[str, Any] = {
    "source": "sample",
    "base": {"competition.classes": ["pit"], "train.loss": "cce", "train.class_weights": None},
    "seeds": [1],
    "steps": [
        {"name": "base", "seeds": [1, 2]},
        {"name": "Dice loss", "set": {"train.loss": "dice"}},
        {"name": "mirror", "set": {"train.loss": "dice", "inference.flips": True}, "beside": "Dice loss"},
    ],
    "last": {"name": "final", "set": {"train.loss": "focal"}},
}


def table(validation: list[float], held_out: list[float] | None = None) -> list[str]:
    """The lines of metrics/images.csv: one class, 10 true and 10 predicted pixels an image, `hits` of them in both."""
    lines = [HEADER]
    for split, hits in (("held_out", held_out), ("validation", validation)):
        if hits is None:  # whoever reads this line as scores fails
            lines.append(f"{split},x.jpg,nonsense,pit,nonsense,nonsense,nonsense,nonsense")
        else:
            lines += [f"{split},{n}.jpg,{n},pit,{2 * hit / 20},10,10,{int(hit)}" for n, hit in enumerate(hits)]
    return lines


class Stages:
    """Plays the stages: notes who ran where, and writes what the ledger reads."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fails = ""
        self.now = 0.0  # seconds

    def __call__(self, stage: str, folder: Path, log: Path) -> int:
        """Run one stage."""
        params = yaml.safe_load((folder / "params.yaml").read_text())
        self.ran.append(f"{folder.relative_to(FOLDER).as_posix()} {stage} {params['seed']}")
        if self.fails and self.ran[-1].startswith(self.fails):
            self.now += 120
            log.write_text("epoch 1\nout of memory\n")
            return 1
        if stage == "download":
            (folder / "data/raw").mkdir(parents=True, exist_ok=True)
        elif stage == "preprocess":
            (folder / "data/prepared").mkdir(exist_ok=True)
            (folder / "data/prepared/summary.json").write_text("{}")
        elif stage == "train":
            assert (folder / "data/prepared/summary.json").is_file()
            assert (folder / "data/raw").is_dir()
            network = folder / "data/state" / f"{params['train']['loss']}_{params['seed']}"
            self.now += 5 if network.exists() else 300
            network.touch()
        elif stage == "infer":
            self.now += 10
        elif stage == "evaluate":
            hit = HITS[params["train"]["loss"]] + (params["seed"] == 2)
            (folder / "metrics").mkdir()
            held_out = [3.0] * 6 if "final" in str(folder) else None
            (folder / "metrics/images.csv").write_text("\n".join(table([hit] * 6, held_out)) + "\n")
        return 0


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    """A project with the committed params.yaml, small modules and `PLAN`; the working folder is its root."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    described = {name: {"params": PARAMS[name], "deps": ["data/raw", f"stages/{name}.py"]} for name in STAGES}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": described}))
    (tmp_path / "stages").mkdir()
    for name in STAGES:
        (tmp_path / f"stages/{name}.py").write_text(f'"""{name}."""\n')
    plan()
    return Stages()


def plan(**changes: Any) -> None:
    """Write ablation.yaml: `PLAN` with some keys changed."""
    Path("ablation.yaml").write_text(yaml.safe_dump(PLAN | changes))


def written() -> dict[str, dict[str, str]]:
    """The lines of metrics/ablation.csv by name."""
    with Path("metrics/ablation.csv").open(newline="") as file:
        return {line["step"]: line for line in csv.DictReader(file)}


def runs(stages: Stages) -> list[str]:
    """Folders in which something ran since the last question, each once, in order."""
    found = list(dict.fromkeys(each.split()[0] for each in stages.ran))
    stages.ran.clear()
    return found


def test_rows_run_in_order(stages: Stages) -> None:
    """The data once, with the seed of params.yaml; then row by row and seed by seed, four stages each."""
    seed = yaml.safe_load((ROOT / "params.yaml").read_text())["seed"]
    ablate.ablate(runner=stages)
    places = ["base/seed_1", "base/seed_2", "dice-loss/seed_1", "mirror/seed_1", "final/seed_1"]
    assert stages.ran == [f". download {seed}", f". preprocess {seed}"] + [
        f"{place} {stage} {place[-1]}" for place in places for stage in ROW_STAGES
    ]
    assert len(list(Path("data/ablation/state").iterdir())) == 4


def test_the_table(stages: Stages) -> None:
    """Means over seeds, gains over the row beside, of the seeds that both have, and the spread of the seeds."""
    ablate.ablate(runner=stages)
    lines = written()
    assert list(lines) == ["base", "Dice loss", "mirror", "final"]
    assert list(lines["base"]) == gains.HEADER
    base, loss, mirror, final = lines.values()
    assert (base["seeds"], base["mean_dice"], base["seed_spread"]) == ("2", "0.45", "0.1")
    assert (base["beside"], base["mean_dice_gain"], base["verdict"]) == ("", "", "")
    assert (loss["beside"], loss["changed"], loss["seed_spread"]) == ("base", "train.loss=dice", "")
    # Seed 1 of both: 0.8 less 0.4 on each image, so in every draw.
    assert [loss[f"mean_dice_{name}"] for name in ("gain", "low", "high")] == ["0.4"] * 3
    assert [loss[f"positive_{name}"] for name in ("gain", "low", "high")] == ["0.4"] * 3
    assert loss["verdict"] == "gain"
    assert (mirror["beside"], mirror["mean_dice"], mirror["mean_dice_gain"]) == ("Dice loss", "0.8", "0.0")
    assert (mirror["changed"], mirror["verdict"]) == ("inference.flips=true; train.loss=dice", "the data cannot tell")
    assert (final["mean_dice_gain"], final["verdict"]) == ("-0.2", "loss")


def test_the_held_out_fold_is_read_for_the_last_row_alone(stages: Stages) -> None:
    """Nonsense there goes unnoticed in the other rows; the last has its figures."""
    ablate.ablate(runner=stages)
    lines = written()
    assert {line["held_out_mean_dice"] for name, line in lines.items() if name != "final"} == {""}
    assert (lines["final"]["held_out_mean_dice"], lines["final"]["held_out_positive_mean_dice"]) == ("0.3", "0.3")
    path = Path("data/ablation/final/seed_1/metrics/images.csv")
    path.write_text("\n".join(table([4.0] * 6)) + "\n")
    with pytest.raises(ValueError, match="nonsense"):
        ablate.ablate(runner=stages)


def test_what_is_done_is_not_run_again(stages: Stages) -> None:
    """A second run reads; a change runs what it concerns: one step's parameters, the base's, a module."""
    ablate.ablate(runner=stages)
    first = Path("metrics/ablation.csv").read_bytes()
    stages.ran.clear()
    ablate.ablate(runner=stages)
    assert (runs(stages), Path("metrics/ablation.csv").read_bytes()) == ([], first)
    plan(steps=[*PLAN["steps"][:2], {"name": "mirror", "set": {"train.epochs": 3}}])
    ablate.ablate(runner=stages)
    assert runs(stages) == ["mirror/seed_1"]
    Path("stages/postprocess.py").write_text("changed = True\n")
    ablate.ablate(runner=stages, only=["base"])
    assert runs(stages) == ["base/seed_1", "base/seed_2"]
    Path("stages/explore.py").write_text("changed = True\n")
    ablate.ablate(runner=stages, only=["base"])
    assert runs(stages) == []


def test_a_run_that_was_killed_is_run_again(stages: Stages) -> None:
    """Its folder is there, its done.json is not; the other seed stays."""
    ablate.ablate(runner=stages)
    Path("data/ablation/base/seed_2/done.json").unlink()
    runs(stages)
    ablate.ablate(runner=stages)
    assert runs(stages) == ["base/seed_2"]


def test_data_is_made_anew_when_its_parameters_change(stages: Stages) -> None:
    """Another source runs everything again; folds of another number leave data/raw alone, and run the rest."""
    ablate.ablate(runner=stages)
    runs(stages)
    ablate.ablate(source="elsewhere.zip", runner=stages)
    params = yaml.safe_load(Path("data/ablation/base/seed_1/params.yaml").read_text())
    assert params["download"]["source"] == str(Path.cwd() / "elsewhere.zip")
    assert runs(stages) == [".", "base/seed_1", "base/seed_2", "dice-loss/seed_1", "mirror/seed_1", "final/seed_1"]
    plan(base=PLAN["base"] | {"preprocess.folds": 4})
    ablate.ablate(source="elsewhere.zip", runner=stages)
    assert [each.split()[1] for each in stages.ran[:2]] == ["preprocess", "train"]
    assert len(runs(stages)) == 6


def test_a_failing_row_leaves_the_earlier_ones(stages: Stages, capsys: pytest.CaptureFixture[str]) -> None:
    """The message ends with what the stage printed last; the table holds the rows before; the next run goes on."""
    stages.fails = "dice-loss/seed_1 infer"
    with pytest.raises(UserError) as told:
        ablate.ablate(runner=stages)
    assert str(told.value) == (
        "2/4 Dice loss, seed 1: infer ended with exit status 1; the last lines of "
        "data/ablation/dice-loss/seed_1/log.txt:"
        "\n    epoch 1\n    out of memory"
    )
    assert "ablate: 1/4 base, seed 2: evaluate 0 s\n" in capsys.readouterr().out
    assert list(written()) == ["base"]
    stages.fails = ""
    runs(stages)
    ablate.ablate(runner=stages)
    assert runs(stages) == ["dice-loss/seed_1", "mirror/seed_1", "final/seed_1"]


def test_some_rows(stages: Stages) -> None:
    """What is not done is not in the table, and says why there is no gain; an unknown name is told."""
    ablate.ablate(runner=stages, only=["Dice loss"])
    assert list(written()) == ["Dice loss"]
    assert written()["Dice loss"]["verdict"] == "not compared: base is not done"
    ablate.ablate(runner=stages, only=["base"])
    assert written()["Dice loss"]["verdict"] == "gain"
    with pytest.raises(UserError, match=r"--only: expected rows of ablation.yaml \(base, Dice loss, mirror, final\)"):
        ablate.ablate(runner=stages, only=["Mirror"])


def test_seconds_and_budget(
    stages: Stages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training and inference of all seeds; networks that a row finds ready count as long as their training took."""
    monkeypatch.setattr("time.monotonic", lambda: stages.now)
    plan(budget=299)
    ablate.ablate(runner=stages)
    lines = written()
    assert [line["seconds"] for line in lines.values()] == ["620.0", "310.0", "310.0", "310.0"]
    assert {line["over_budget"] for line in lines.values()} == {"1"}
    told = capsys.readouterr().out
    assert "ablate: mirror: over the budget: a training took 300 s of 299 s\n" in told
    assert "ablate: 3/4 mirror, seed 1: train 5 s\n" in told
    assert "620 (over budget)" in told
    ablate.ablate(budget=300, runner=stages)
    assert {line["over_budget"] for line in written().values()} == {"0"}


def test_a_training_in_two_parts(stages: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    """120 seconds until it fails, 300 until it is done."""
    monkeypatch.setattr("time.monotonic", lambda: stages.now)
    stages.fails = "base/seed_1 train"
    with pytest.raises(UserError, match="train ended with exit status 1"):
        ablate.ablate(runner=stages)
    stages.fails = ""
    ablate.ablate(runner=stages, only=["base"])
    assert written()["base"]["seconds"] == str(120.0 + 300 + 300 + 10 + 10)


BASE = {"name": "base"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": []}, "unknown key 'step'; expected one of: source, base, seeds, budget, steps, last"),
        ({"steps": []}, "steps: list should have at least 1 item after validation, not 0; found []"),
        ({"steps": [BASE, {"nam": "a"}]}, "steps: number 2: the key 'name' is missing\n"
         "ablation.yaml: steps: number 2: unknown key 'nam'; expected one of: name, set, beside, seeds"),
        ({"steps": [{"name": "a", "set": [1]}]},
         "steps: number 1: set: expected a mapping of keys to values, found [1]"),
        ({"seeds": [1.5]}, "seeds: number 1: input should be a valid integer; found 1.5"),
        ({"seeds": [1, 1]}, "Dice loss: seeds: expected each seed once, found [1, 1]"),
        ({"base": {"train.epoch": 1}}, "base: unknown parameter 'train.epoch'; expected of train: architecture, "),
        ({"base": {"trian.epochs": 1}}, "base: unknown parameter 'trian.epochs'; expected of the top level: seed, "),
        ({"base": {"seed.epochs": 1}}, "base: unknown parameter 'seed.epochs'; expected of seed: no key below it"),
        ({"base": {"train": {}}}, "base: expected a single parameter, found the section 'train': name its key too"),
        ({"last": {"name": "z", "set": {"train.epochs": 0}}},
         "z: train: epochs: input should be greater than 0; found 0"),
        ({"base": {"train.folds": [0, 4], "preprocess.folds": 5}}, "base: train: folds: fold 4 is the last of "),
        ({"steps": [BASE, BASE]}, "base: expected different names, found this one twice"),
        ({"steps": [BASE], "last": {"name": "base"}}, "base: expected different names, found this one twice"),
        ({"steps": [BASE, {"name": "Base!"}]},
         "Base!: expected another name: its folder would be base, as that of 'base'"),
        ({"steps": [{"name": "state"}]}, "state: expected a name with letters or digits other than data, metrics, "),
        ({"steps": [BASE, {"name": "a", "beside": "b"}, {"name": "b"}]},
         "a: beside: expected a row above it (base), found 'b'"),
        ({"steps": [{"name": "a", "beside": "a"}]},
         "a: beside: expected a row above it (none, for it is the first), found 'a'"),
        ({"steps": [BASE, {"name": "a", "seeds": [7]}]},
         "a: seeds: expected one at least of those of base, [1], to compare with, found [7]"),
        ({"steps": [BASE, {"name": "a", "set": {"train.folds": [1]}}]},
         "a: train.folds: expected [0], the validation folds of base, found [1]"),
        ({"steps": [{"name": "a", "set": {"preprocess.folds": 4}}]},
         "a: set: expected parameters of training and what follows it, found 'preprocess.folds', which decides "),
        ({"source": None}, "source: expected sample, kaggle or a path, found none"),
    ],
)  # fmt: skip
def test_a_wrong_plan_is_told_before_anything_runs(stages: Stages, changes: dict[str, Any], message: str) -> None:
    """One message that says where, what was expected and what was found; nothing is written."""
    plan(**changes)
    with pytest.raises(UserError) as told:
        ablate.ablate(runner=stages)
    assert str(told.value).startswith(f"ablation.yaml: {message}")
    assert (stages.ran, Path("data").exists(), Path("metrics").exists()) == ([], False, False)


def test_a_stage_that_dvc_yaml_does_not_describe(stages: Stages) -> None:
    """Told before anything runs, too: what a row depends on would not be known."""
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {name: {} for name in STAGES if name != "infer"}}))
    with pytest.raises(UserError, match=r"dvc.yaml: expected the stages that a row runs, found no infer"):
        ablate.ablate(runner=stages)
    assert stages.ran == []


def test_no_plan_and_no_table(stages: Stages) -> None:
    """Each is told by its name."""
    Path("ablation.yaml").unlink()
    with pytest.raises(UserError, match=r"ablation.yaml: expected the ledger's steps, found no readable file"):
        ablate.ablate(runner=stages)
    with pytest.raises(UserError, match=r"metrics/ablation.csv: expected the ledger, found none: run make ablation"):
        ablate.show()


def test_the_committed_plan() -> None:
    """It fits the committed params.yaml."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    rows = plans.rows(plans.read(ROOT / "ablation.yaml"), content, Path("ablation.yaml"))
    assert rows[0].beside is None
    assert rows[-1].last
    assert rows[0].params["competition"]["image_height"] == 200


def scores(hits: list[int]) -> ImageScores:
    """The validation fold of such images."""
    return per_image.read(table([float(hit) for hit in hits], []), "drawn")["validation"]


def row(beside: str | None, seeds: tuple[int, ...]) -> Row:
    """A row of the table."""
    return Row("step", beside, {"train.folds": [0, 1], "train.loss": "cce"}, seeds, {}, last=False)


def line(result: Result, beside: Result | None) -> dict[str, Any]:
    """The cells of one line by column."""
    cells = gains.line(row("base", tuple(result.validation)), result, beside, budget=10)
    return dict(zip(gains.HEADER, cells, strict=True))


def test_seeds_are_averaged_before_images_are_drawn() -> None:
    """Seeds 2 and 3 are those of both; per image the mean gains are 0.2, 0.5, 0, -0.1, 0.3 and 0.3."""
    beside = Result({1: scores([9] * 6), 2: scores([1, 1, 5, 5, 2, 0]), 3: scores([3, 1, 5, 5, 2, 0])})
    result = Result({2: scores([3, 6, 5, 4, 5, 2]), 3: scores([5, 6, 5, 4, 5, 4])}, {}, {2: 9, 3: 11}, {2: 1, 3: 2})
    cells = line(result, beside)
    gains = np.array([0.2, 0.5, 0, -0.1, 0.3, 0.3])
    low, high = np.quantile(bootstrap.draws(range(6)) @ gains / 6, [0.025, 0.975])
    assert cells["mean_dice_gain"] == cells["positive_gain"] == 0.2
    assert (cells["mean_dice_low"], cells["mean_dice_high"]) == pytest.approx((low, high), abs=1e-6)
    assert (cells["positive_low"], cells["positive_high"]) == pytest.approx((low, high), abs=1e-6)
    assert (low > 0, cells["verdict"]) == (True, "gain")
    assert cells["mean_dice"] == round((25 / 60 + 29 / 60) / 2, 6)
    assert cells["seed_spread"] == round(4 / 60, 6)
    assert (cells["seconds"], cells["over_budget"]) == (23, 1)
    assert cells["changed"] == "train.folds=[0,1]; train.loss=cce"


def test_what_the_data_cannot_tell() -> None:
    """One image gains what another loses; and four images tell nothing, however clear."""
    assert line(Result({1: scores([1, 9] * 4)}), Result({1: scores([9, 1] * 4)}))["verdict"] == gains.UNDECIDED
    assert line(Result({1: scores([9] * 4)}), Result({1: scores([1] * 4)}))["verdict"] == gains.UNDECIDED
    assert line(Result({1: scores([9] * 5)}), Result({1: scores([1] * 5)}))["verdict"] == "gain"


def test_rows_of_other_images_are_refused() -> None:
    """Both are named."""
    with pytest.raises(UserError, match="base and step cannot be compared: expected the same validation images"):
        line(Result({1: scores([1] * 6)}), Result({1: scores([1] * 5)}))


def test_a_stage_runs_in_its_folder(tmp_path: Path) -> None:
    """With the repository's modules, that folder's params.yaml, and its words in the log."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    log = tmp_path / "log.txt"
    assert (run_stage("settings", tmp_path, log), log.read_text()) == (0, "")
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    assert run_stage("settings", tmp_path, log) == 1
    assert "params.yaml: the key 'train' is missing" in log.read_text()


def test_it_starts_without_tensorflow() -> None:
    """Which takes seconds."""
    code = "import sys, stages.commands.ablate; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
