"""A submission is sent once, whenever the process is killed and however many are started."""

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.kaggle_project import SLUG, Call, Stage
from tests.support.kaggle_server import KaggleServer

COMMAND = ("submit", "-m", "first idea", "--poll", "0.1")


def references(folder: Path) -> list[str]:
    """Those in metrics/leaderboard.csv."""
    with (folder / "metrics/leaderboard.csv").open(newline="") as file:
        return [row["reference"] for row in csv.DictReader(file)]


@pytest.fixture
def started(folder: Path, environment: dict[str, str]) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts `python -m stages submit …` and does not wait for it."""

    def start(*words: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "stages", *COMMAND, *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)  # type: ignore[call-overload]

    return start


@pytest.fixture
def killed(server: KaggleServer, started: Callable[..., "subprocess.Popen[str]"]) -> Callable[..., None]:
    """Runs a submit that is killed when the server gets a request, before or after it has done what it asks."""

    def run(name: str, after: bool, *words: str) -> None:
        process: list[subprocess.Popen[str]] = []
        method, fault = getattr(server, name, None), server.fault

        def kill() -> None:
            process[0].send_signal(signal.SIGKILL)
            process[0].wait()

        def called(request: dict[str, Any]) -> Any:
            answer = method(request) if after else {}
            kill()
            return answer

        def put(kind: str) -> Any:
            if kind == "PUT":
                kill()
            return fault(kind)

        if name == "PUT":
            server.fault = put  # type: ignore[assignment,method-assign]
        else:
            setattr(server, name, called)
        process.append(started(*words))
        assert process[0].wait(timeout=60) == -signal.SIGKILL
        server.fault = fault  # type: ignore[method-assign]
        if name != "PUT":
            delattr(server, name)

    return run


@pytest.mark.parametrize(
    ("name", "after"),
    [
        pytest.param("GetSubmissionLimits", True, marks=pytest.mark.long),
        pytest.param("StartSubmissionUpload", False, marks=pytest.mark.long),
        pytest.param("PUT", False, marks=pytest.mark.long),
        ("CreateSubmission", False),
        ("CreateSubmission", True),
    ],
)
def test_killed_and_started_again(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, killed: Callable[..., None], name: str, after: bool
) -> None:
    """Before or after Kaggle has taken the file: the same command ends with one submission and its score."""
    killed(name, after)
    assert len(server.submissions) == (name == "CreateSubmission" and after)
    result = stage(*COMMAND)
    assert result.returncode == 0, result.stderr
    assert ("interrupted after Kaggle took its submission" in result.stdout) == (
        len(server.submissions) == 1 and after and name == "CreateSubmission"
    )
    assert references(folder) == [str(one["ref"]) for one in server.submissions]
    assert len(server.submissions) == 1
    journal = json.loads((folder / "data/submitted.json").read_text())
    assert not journal.get("intent")


def test_again_that_was_interrupted(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, killed: Callable[..., None]
) -> None:
    """What --again sent has arrived: the same command does not send it once more."""
    server.score_after = 5
    killed("CreateSubmission", True, "--again")
    assert stage(*COMMAND, "--again").returncode == 0
    assert len(server.submissions) == 1
    assert references(folder) == [str(server.submissions[0]["ref"])]


def test_the_same_file_was_sent_before(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, killed: Callable[..., None]
) -> None:
    """A submission that Kaggle had before the interrupted one is not taken for it, though all of it is equal."""
    assert stage(*COMMAND).returncode == 0
    killed("CreateSubmission", False, "--again")
    result = stage(*COMMAND, "--again")
    assert result.returncode == 0, result.stderr
    assert "interrupted before Kaggle took its submission" in result.stdout
    assert len(server.submissions) == 2
    assert references(folder) == [str(one["ref"]) for one in server.submissions]


def test_a_notebook_is_submitted_once(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, killed: Callable[..., None]
) -> None:
    """Its output too is looked for in the list."""
    server.code_competitions.add(SLUG)
    server.kernel_files = {"submission.csv": b"from the notebook"}
    server.kernel_statuses = ["COMPLETE"]
    killed("CreateCodeSubmission", True, "--kernel")
    assert stage(*COMMAND, "--kernel").returncode == 0
    assert len(server.submissions) == 1
    assert references(folder) == [str(server.submissions[0]["ref"])]


def test_an_answer_that_was_lost(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
    """503 after Kaggle has taken the file, and answers that say nothing: the next call finds it."""
    take = server.CreateSubmission
    for status, body in ((503, b"<html>"), (200, b"<html>"), (200, b"null"), (200, b"{}")):
        count = len(server.submissions)

        def lost(request: dict[str, Any], status: int = status, body: bytes = body) -> Any:
            take(request)
            server.fail("later", status, body=body)
            return server.fault("later")

        server.CreateSubmission = lost  # type: ignore[method-assign]
        result = stage(*COMMAND, "--again")
        assert result.returncode == 1, body
        assert result.stderr.count("\n") == 1
        server.CreateSubmission = take  # type: ignore[method-assign]
        assert stage(*COMMAND).returncode == 0
        assert len(server.submissions) == count + 1
        server.limits["numAllowedNow"] = 5


def test_two_at_once(
    project: Call, stage: Stage, server: KaggleServer, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    """The second is refused and names the first; when that is dead, its lock is free."""
    server.score_after = 10_000
    first = started()
    for _ in range(600):
        if server.submissions:
            break
        time.sleep(0.05)
    result = stage(*COMMAND, "--again")
    assert result.returncode == 1
    assert f"data/submitted.lock: expected no other submit at work in this folder, found process {first.pid} on" in (
        result.stderr
    )
    assert stage(*COMMAND, "--dry-run").returncode == 0  # sends nothing
    first.send_signal(signal.SIGKILL)
    first.wait()
    server.score_after = 0
    for one in server.submissions:
        one["waits"] = 0
    result = stage(*COMMAND)
    assert result.returncode == 0, result.stderr
    assert "already sent" in result.stdout
    assert len(server.submissions) == 1


@pytest.mark.parametrize("name", [".submitted.json.partial", "submitted.json", "submitted.lock"])
def test_what_cannot_be_recorded_is_not_sent(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, name: str
) -> None:
    """A journal or lock that cannot be written: one message, and nothing has left."""
    (folder / "data" / name).mkdir()
    result = stage(*COMMAND)
    assert result.returncode == 1
    assert "Is a directory" in result.stderr
    assert "data/submitted." in result.stderr
    assert result.stderr.count("\n") == 1
    assert server.requested("StartSubmissionUpload") == []


@pytest.mark.parametrize("intent", ["5", "{}", '{"experiment": "A", "revision": "a", "message": 5}'])
def test_an_intent_that_is_damaged(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, intent: str
) -> None:
    """Nothing is sent before a person has looked."""
    (folder / "data/submitted.json").write_text(f'{{"intent": {{"{SLUG} 0123": {intent}}}}}')
    result = stage(*COMMAND)
    assert result.returncode == 1
    assert "data/submitted.json: expected what was about to be sent" in result.stderr
    assert server.submissions == []
