import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.ablation import experiments
from stages.pipeline.cli import UserError

# It notes each of its runs outside the repository.
STAGE = """
import os, pathlib, yaml
params = yaml.safe_load(open("params.yaml"))
if params["train"]["loss"] == "bad":
    raise SystemExit("a bad loss")
with open(os.environ["RUNS"], "a") as file:
    print(params["train"]["loss"], file=file)
pathlib.Path("metrics").mkdir(exist_ok=True)
pathlib.Path("metrics/images.csv").write_text(repr(params))
"""
PIPELINE = """
stages:
  evaluate:
    cmd: python evaluate.py
    params: [train, source]
    deps: [evaluate.py]
    metrics:
      - metrics/images.csv: {cache: false}
  report:
    cmd: exit 1
    deps: [metrics/images.csv]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one stage to run and one that fails; it is the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A Tester")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "tester@example.org")
    Path("evaluate.py").write_text(STAGE)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("params.yaml").write_text("train: {loss: cce, folds: [0]}\nsource: null\n")
    for command in ("git init -q -b main", "dvc init -q", "git add --all", "git commit -q -m start"):
        subprocess.run(command.split(), check=True)
    return folder


def test_an_experiment(project: Path, tmp_path: Path) -> None:
    """It runs with the changed parameters, of any kind, in a copy; its files are read from git.

    A second run comes from the run cache and takes the place of the first; a failed one leaves the first alone.
    """
    changes = {"train.loss": "dice", "train.folds": [0, 1], "source": "/a path/of=data, è.zip"}
    assert experiments.revision("ablation-a-1") is None
    experiments.run("ablation-a-1", changes, ["evaluate"])
    first = experiments.revision("ablation-a-1")
    assert first is not None
    params = {"train": {"loss": "dice", "folds": [0, 1]}, "source": "/a path/of=data, è.zip"}
    assert experiments.parameters(first, Path("params.yaml")) == params
    assert experiments.read(first, Path("metrics/images.csv")) == repr(params)
    assert yaml.safe_load(Path("params.yaml").read_text()) == {"train": {"loss": "cce", "folds": [0]}, "source": None}
    assert not Path("metrics").exists()
    experiments.run("ablation-a-1", changes, ["evaluate"])
    assert (tmp_path / "runs").read_text() == "dice\n"
    second = experiments.revision("ablation-a-1")
    with pytest.raises(UserError, match="dvc exp run: expected success, found a failure"):
        experiments.run("ablation-a-1", changes | {"train.loss": "bad"}, ["evaluate"])
    assert experiments.revision("ablation-a-1") == second
    assert experiments.same_files(second or "", ["evaluate.py", "dvc.yaml"])
    Path("evaluate.py").write_text("changed\n")
    assert not experiments.same_files(second or "", ["evaluate.py", "dvc.yaml"])


def test_parameters_that_differ() -> None:
    """Changed and missing keys, at any depth; keys that only the second has do not count."""
    wanted = {"seed": 1, "train": {"loss": "cce", "weights": [1, 2], "gone": None}}
    found = {"seed": 1, "train": {"loss": "dice", "weights": [1, 3], "more": 4}}
    assert experiments.differences(wanted, found) == {
        "train.loss": "cce",
        "train.weights": [1, 2],
        "train.gone": None,
    }


def test_a_cache_that_dvc_cannot_name(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC writes the cache's path as ASCII into the copy. Told before, with the way out, and the way out works."""
    monkeypatch.chdir(project.rename(tmp_path / "Größe"))
    with pytest.raises(UserError, match=r"Größe/.dvc/cache: expected only ASCII .* dvc cache dir --local /path"):
        experiments.run("any", {"train.loss": "dice"}, ["evaluate"])
    subprocess.run(["dvc", "cache", "dir", "--local", str(tmp_path / "cache")], check=True, capture_output=True)
    experiments.run("any", {"train.loss": "dice"}, ["evaluate"])
    assert experiments.revision("any")
