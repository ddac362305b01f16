"""Two processes that want to do the same work in one folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.pipeline import lock
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from stages.pipeline import lock
with lock.held(Path(sys.argv[1]), "training", "if it is alone"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_by_the_name_of_the_first(tmp_path: Path) -> None:
    """Until the first is dead, however it died; what it left behind is taken over."""
    path = tmp_path / "state/lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(UserError, match=rf"expected no other training at work .* process {holder.pid} on .* end it, if"),
        lock.held(path, "training", "if it is alone"),
    ):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with lock.held(path, "training", "if it is alone"):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
