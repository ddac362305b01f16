"""The whole pipeline through DVC: killed in every stage, and without space in the stages that run a network."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support import tiny_project
from tests.support.tiny_project import call

ROOT = Path(__file__).parents[1]
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
FAULTING = str(ROOT / "tests/support/faulting")
KILLED = -9

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project, run once without interruption."""
    return tiny_project.finished(tmp_path_factory.mktemp("promises"))


@pytest.fixture
def project(once: Path) -> Iterator[Path]:
    """The same project; after each test it is restored to the committed state if it differs."""
    before = tiny_project.results(once)
    yield once
    if tiny_project.results(once) != before:
        call(once, "git", "checkout", "--force", "--quiet", ".")
        call(once, "dvc", "checkout", "--force", "--quiet")


def moments(stage: str) -> list[int]:
    """At which of its writes a stage is killed: the first, and for training also one at the end of an epoch."""
    return [1, 16] if stage == "train" else [1]


@pytest.mark.parametrize(("stage", "moment"), [(stage, moment) for stage in STAGES for moment in moments(stage)])
def test_a_pipeline_that_is_killed_ends_as_an_undisturbed_one(project: Path, stage: str, moment: int) -> None:
    """SIGKILL for dvc and the stage together; after the stage has run again, nothing differs from the commit."""
    before = tiny_project.results(project)
    shutil.rmtree(project / "data/state", ignore_errors=True)
    again = ("dvc", "repro", "--force", "--single-item", stage)  # a plain repro would take it from the run cache
    call(project, *again, status=KILLED, PYTHONPATH=FAULTING, FAULT=f"{stage}:killall:{moment}")
    assert tiny_project.results(project) != before
    call(project, *again)
    assert tiny_project.results(project) == before
    assert call(project, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("fault", "stage"),
    [
        *((fault, stage) for fault in ("no new files", "no large files") for stage in ("train", "infer", "infer_test")),
        ("no tables", "train"),  # only train opens DVC's databases, through DVCLive
    ],
)
def test_a_full_disk_under_a_network(project: Path, stage: str, fault: str) -> None:
    """One line with the file and the reason, and no partial output; the committed state can be restored."""
    before = tiny_project.results(project)
    shutil.rmtree(project / "data/state", ignore_errors=True)
    command = ["dvc", "repro", "--force", "--single-item", stage]
    if fault == "no new files":
        printed = call(project, *command, status=None, PYTHONPATH=FAULTING, FAULT=f"{stage}:full:1")
        reason = "No space left on device"
    else:
        sizes = {"infer": 100, "infer_test": 100, "train": 2_000 if fault == "no tables" else 1_000_000}
        printed = limited(project, sys.executable, "-m", f"stages.{stage}", size=sizes[stage])
        reason = "disk I/O error" if fault == "no tables" else "File too large"
    assert "Traceback" not in printed
    lines = [line for line in printed.splitlines() if reason in line]
    assert len(lines) == 1, printed
    assert lines[0].startswith(f"{stage}: ")
    assert not list(project.glob("*/.*.partial"))
    after = tiny_project.results(project)
    assert after.items() <= before.items()
    call(project, "git", "checkout", ".")
    call(project, "dvc", "checkout")
    assert tiny_project.results(project) == before


def limited(folder: Path, *command: str, size: int) -> str:
    """Run a command that must fail because no file may exceed `size` bytes; returns everything it printed."""
    result = subprocess.run(
        command, cwd=folder, env=tiny_project.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )  # fmt: skip
    assert result.returncode == 1, result.stdout
    return result.stdout
