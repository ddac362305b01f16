"""What dvc.lock records is what ran, also where parameters or code are edited during a training."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import draw_competition
from tests.support import tiny_project

pytestmark = [pytest.mark.slow, pytest.mark.prove]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tiny project whose data is prepared."""
    folder = tmp_path / "project"
    folder.mkdir()
    tiny_project.repository(folder, str(draw_competition(tmp_path / "competition")))
    tiny_project.call(folder, "dvc", "repro", "preprocess")
    tiny_project.commit(folder)
    return folder


def started(folder: Path, *command: str) -> "subprocess.Popen[str]":
    """Start a command and wait until its training has begun."""
    process = subprocess.Popen(
        command, cwd=folder, env=tiny_project.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    printed: list[str] = []
    for line in process.stdout:
        printed.append(line)
        if "train: on the CPU" in line:
            return process
    raise AssertionError("".join(printed))


def ended(process: "subprocess.Popen[str]") -> str:
    """What the rest of a command prints, which has to fail."""
    printed = process.communicate()[0]
    assert process.returncode, printed
    return printed


def weights(folder: Path) -> dict[Path, int]:
    """The finished networks in data/state, and when each was written."""
    return {file: file.stat().st_mtime_ns for file in folder.glob("data/state/*/*/average.weights.h5")}


def test_parameters_and_code_edited_while_a_network_is_trained(project: Path) -> None:
    """The stage fails and dvc.lock stays; with the values back, the finished network is used."""
    params, losses, lock = project / "params.yaml", project / "stages/training/losses.py", project / "dvc.lock"
    before, source, recorded = params.read_text(), losses.read_text(), lock.read_bytes()
    process = started(project, "dvc", "repro", "train")
    params.write_text(yaml.safe_dump(yaml.safe_load(before) | {"seed": 7}))
    assert "train: params.yaml changed while this ran: seed: 42 -> 7. Nothing was recorded" in ended(process)
    assert (lock.read_bytes(), (project / "data/model").exists()) == (recorded, False)
    params.write_text(before)
    process = started(project, "dvc", "repro", "train")
    losses.write_text(source + "\nUNUSED = 1\n")
    assert "train: changed while this ran: stages/training/losses.py. Nothing was recorded" in ended(process)
    losses.write_text(source)
    trained = weights(project)
    assert len(trained) == 1
    assert "Running stage 'train'" in tiny_project.call(project, "dvc", "repro", "train")
    assert weights(project) == trained, "the network was trained again"
    assert yaml.safe_load(lock.read_text())["stages"]["train"]["params"]["params.yaml"]["seed"] == 42
    assert "up to date" in tiny_project.call(project, "dvc", "status", "train")


def test_a_second_experiment_in_the_same_folder(project: Path) -> None:
    """DVC refuses it as busy, but has already written its parameters: the first one does not record them."""
    first = started(project, "dvc", "exp", "run", "-n", "first", "-S", "train.loss=cce", "train")
    tiny_project.call(project, "dvc", "exp", "run", "-n", "second", "-S", "train.loss=lovasz", "train", status=None)
    assert "params.yaml changed while this ran: train.loss: 'cce' -> 'lovasz'" in ended(first)
    assert "first" not in tiny_project.call(project, "dvc", "exp", "list", "--name-only")
