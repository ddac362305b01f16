"""A stand-in for kaggle.com, a project whose source it is, and commands in it, with the real Kaggle client."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stages.kaggle import bundle
from tests.support.kaggle_project import BIG, HEADER, NAMES, ROOT, SLUG, Call, Stage
from tests.support.kaggle_server import KEY, KaggleServer
from tests.support.test_kaggle_server import zipped

# Both stand in for the pipeline. What predict submits depends on the seed; 0 submits no mask.
PREDICT = """
import pathlib, yaml
seed = yaml.safe_load(open("params.yaml"))["seed"]
rows = [f"test_{n}.jpg,{seed} 5,1" if seed else f"test_{n}.jpg,1 1,0" for n in range(3)]
pathlib.Path("data/submission.csv").write_text("ImageId,EncodedPixels,ClassId\\n" + "\\n".join(rows) + "\\n")
"""
KERNEL = """
import json, pathlib, shutil
kernel = pathlib.Path("data/kernel")
shutil.copytree("kernel", kernel)
(kernel / "dataset/model/fold_0").mkdir(parents=True)
shutil.copy("data/submission.csv", kernel / "dataset/model/fold_0/saved_model.pb")
"""
PIPELINE = """
stages:
  predict:
    cmd: python predict.py
    params: [seed]
    deps: [predict.py]
    outs: [data/submission.csv]
  kernel:
    cmd: python kernel.py
    deps: [kernel.py, data/submission.csv]
    outs: [data/kernel]
"""


@pytest.fixture
def server() -> Iterator[KaggleServer]:
    """A server with the competition, whose rules are accepted."""
    with KaggleServer() as server:
        server.files[SLUG] = zipped(
            {
                "train.csv": b"ImageId,ClassId,EncodedPixels\n",
                "sample_submission.csv": HEADER.encode(),
                "train_images/a.jpg": BIG,
                "test_images/b.jpg": b"b",
            }
        )
        server.rules_accepted.add(SLUG)
        yield server


def write_params(folder: Path) -> None:
    """params.yaml with Kaggle as the source, for small images."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["download"]["source"] = "kaggle"
    params["competition"] |= {"image_height": 32, "image_width": 64}
    params["seed"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with params.yaml, whose source is Kaggle."""
    folder = tmp_path / "project"
    folder.mkdir()
    write_params(folder)
    return folder


@pytest.fixture
def environment(server: KaggleServer, tmp_path: Path) -> dict[str, str]:
    """The server's environment, with this project's modules, and with the switch that would print headers."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = A Tester\nemail = tester@example.org\n")
    return server.environment(home) | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "VERBOSE": "1"}


@pytest.fixture
def stage(folder: Path, environment: dict[str, str]) -> Stage:
    """Runs `python -m stages.NAME …` in the folder, and checks that no secret is printed."""

    def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *(["stages", name] if name == "submit" else [f"stages.{name}"]), *words]
        result = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, timeout=120)
        for secret in (KEY, "Authorization", "upload_id", "Basic "):
            assert secret not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose stages predict and kernel are stand-ins, run once as the experiment `A` with seed 2."""
    folder = tmp_path_factory.mktemp("finished")
    write_params(folder)
    (folder / "predict.py").write_text(PREDICT)
    (folder / "kernel.py").write_text(KERNEL)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "kernel/dataset").mkdir(parents=True)
    (folder / "kernel/submission.py").write_text("print()")
    bundle.write_metadata(folder / "kernel", None, SLUG, None)
    (folder / "data/raw").mkdir(parents=True)
    (folder / "data/raw/sample_submission.csv").write_text(HEADER + "".join(f"{name},1 1,0\n" for name in NAMES))
    shutil.copy(ROOT / ".gitignore", folder / ".gitignore")
    (folder / "data/.gitignore").write_text("*\n!.gitignore\n")
    (folder / "home").mkdir()
    (folder / "home/.gitconfig").write_text("[user]\nname = A Tester\nemail = tester@example.org\n")
    environment = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], "DVC_NO_ANALYTICS": "1"}
    for command in (
        "git init -q -b main", "dvc init -q", "git add --all :!home", "git commit -q -m start",
        "dvc exp run -n A -S seed=2",
    ):  # fmt: skip
        subprocess.run(command.split(), cwd=folder, env=environment, check=True, capture_output=True)
    return folder


@pytest.fixture
def project(finished: Path, folder: Path, environment: dict[str, str]) -> Call:
    """Puts a copy of the finished repository into the folder; runs commands in it, which must succeed."""
    shutil.copytree(
        finished, folder, dirs_exist_ok=True, ignore=lambda top, _: ["home"] if top == str(finished) else []
    )

    def call(*command: str) -> str:
        result = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, timeout=120)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return call
