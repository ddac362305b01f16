"""A stage that DVC runs ends when that dvc is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from stages.pipeline import starter

ROOT = Path(__file__).parents[2]
STAGE = """
import os, time
from stages.pipeline import starter
starter.end_with_dvc("train")
print(os.getpid(), flush=True)
time.sleep(60)
"""
DVC = """
import os, subprocess, sys
command = f"{sys.executable} -c \'{sys.argv[1]}\'; true"
subprocess.run(command, shell=True, env=os.environ | {"DVC_STAGE": "train"})
"""


def test_it_ends_with_its_dvc(tmp_path: Path) -> None:
    """A shell stands between the two, and survives."""
    errors = tmp_path / "errors"
    with errors.open("w") as stream:
        dvc = subprocess.Popen(
            [sys.executable, "-c", DVC, STAGE], stdout=subprocess.PIPE, stderr=stream, text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)}, start_new_session=True,
        )  # fmt: skip
    assert dvc.stdout is not None
    stage = psutil.Process(int(dvc.stdout.readline()))
    shell = stage.parent()
    assert shell is not None
    assert shell.ppid() == dvc.pid
    time.sleep(1)
    assert stage.is_running()
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    stage.wait(10)
    assert "train: ends, because the dvc that started it is gone" in errors.read_text()


def test_a_dvc_that_was_gone_before(tmp_path: Path) -> None:
    """It died while the stage was still being imported: the stage ends at once, and does not watch its adopter."""
    errors, started = tmp_path / "errors", tmp_path / "started"
    late = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(1)\n{STAGE}"
    dvc = (
        "import os, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1]], env=os.environ | {'DVC_STAGE': 'train'})\n"
    )
    with errors.open("w") as stream:
        subprocess.run(
            [sys.executable, "-c", dvc, late], stdout=subprocess.DEVNULL, stderr=stream, check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    for _ in range(200):
        if errors.read_text():
            break
        time.sleep(0.1)
    assert "train: ends, because the dvc that started it is gone" in errors.read_text()


def test_without_a_dvc_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage by hand is nobody's child."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    before = threading.active_count()
    starter.end_with_dvc("train")
    assert threading.active_count() == before
