"""`dvc repro --force` trains again; whatever else makes DVC run the stage takes finished networks from their state."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from stages.training import forced
from tests.conftest import draw_competition
from tests.support import tiny_project
from tests.support.tiny_project import call

FORCE = ("dvc", "repro", "--force", "--single-item", "train")
TRAINED = "epoch 1 of 1: loss"  # printed by a training, and not for a network that is taken from its state


def network(state: Path) -> Path:
    """The state of a finished training."""
    state.mkdir(parents=True)
    (state / "finished.json").write_text("{}")
    return state


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_forced_run_removes_each_finished_network_once(tmp_path: Path) -> None:
    """Killed and forced again, it keeps what it has trained since; the next forced run starts over."""
    first, second = (Path("data/state/a") / name for name in ("fold_0", "fold_1"))
    network(first), network(second)
    run = forced.StartingOver(forced=True)
    run.prepare(first, "finished.json")
    assert not first.exists()
    network(first)  # trained; then the run is killed
    again = forced.StartingOver(forced=True)
    again.prepare(first, "finished.json")
    again.prepare(second, "finished.json")
    assert first.exists()
    assert not second.exists()
    again.finish()
    forced.StartingOver(forced=True).prepare(first, "finished.json")
    assert not first.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[1]", b"\xff", b"[" * 99_999])
def test_a_damaged_list_of_a_forced_run(content: bytes) -> None:
    """The run starts over, as if it had not been killed."""
    finished = network(Path("data/state/a/fold_0"))
    forced.RECORD.parent.mkdir(parents=True, exist_ok=True)
    forced.RECORD.write_bytes(content)
    run = forced.StartingOver(forced=True)
    run.prepare(finished, "finished.json")
    assert not finished.exists()


def test_an_unfinished_training_always_continues() -> None:
    """Forced or not, its state stays; a run that is not forced removes nothing."""
    unfinished = Path("data/state/a/fold_0")
    unfinished.mkdir(parents=True)
    forced.StartingOver(forced=True).prepare(unfinished, "finished.json")
    assert unfinished.exists()
    finished = network(Path("data/state/b/fold_0"))
    forced.StartingOver(forced=False).prepare(finished, "finished.json")
    assert finished.exists()


def test_a_stage_without_dvc_is_never_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand, or where DVC finds no project, it takes what there is."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert not forced.is_forced()
    monkeypatch.setenv("DVC_STAGE", "train")
    assert not forced.is_forced()


@pytest.mark.prove
def test_only_force_trains_again(tmp_path: Path) -> None:
    """A comment and a second fold reuse the network; --force trains it again, and continues after a kill."""
    project = tiny_project.repository(tmp_path / "project", str(draw_competition(tmp_path / "competition")))
    assert TRAINED in call(project, "dvc", "repro", "train")
    comment = project / "stages/training/crops.py"
    comment.write_text(f"{comment.read_text(encoding='utf-8')}\n# A comment.\n", encoding="utf-8")
    output = call(project, "dvc", "repro", "train")
    assert "Running stage 'train'" in output
    assert TRAINED not in output
    before = tiny_project.results(project)
    assert call(project, *FORCE).count(TRAINED) == 1
    assert tiny_project.results(project) == before

    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["folds"] = [0, 1]
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    assert call(project, "dvc", "repro", "train").count(TRAINED) == 1  # the fold that is new

    process = subprocess.Popen(FORCE, cwd=project, env=tiny_project.environment(), start_new_session=True)
    while not any(project.glob("data/state/*/fold_1/phase_1")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(json.loads((project / forced.RECORD).read_text())) == 2
    (project / ".dvc/tmp/rwlock").unlink(missing_ok=True)  # left by a killed dvc, half written at times
    assert call(project, *FORCE).count(TRAINED) == 1  # the fold that was not finished
    assert call(project, *FORCE).count(TRAINED) == 2
