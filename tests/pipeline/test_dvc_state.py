"""What a killed `dvc` leaves in .dvc/tmp."""

import subprocess
import sys
from pathlib import Path

import pytest
from dvc.lock import make_lock

from stages.pipeline import dvc_state


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DVC project."""
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], check=True)
    dvc_state.RWLOCK.parent.mkdir(exist_ok=True)


@pytest.mark.parametrize("content", [b"", b"{", b'{"read": {"/a', b"\xff\x00", b"[" * 99_999])
def test_a_list_that_is_half_written_is_removed(content: bytes) -> None:
    """DVC then runs again; before, it reports a corrupted file."""
    dvc_state.RWLOCK.write_bytes(content)
    Path("dvc.yaml").write_text("stages:\n  one:\n    cmd: echo done\n")
    repro = [sys.executable, "-m", "dvc", "repro"]
    assert subprocess.run(repro, check=False, capture_output=True).returncode
    assert str(dvc_state.mend()).startswith(".dvc/tmp/rwlock: removed")
    assert subprocess.run(repro, check=False, capture_output=True).returncode == 0
    assert dvc_state.mend() is None


def test_what_is_whole_or_being_written_stays() -> None:
    """Nothing is removed from a dvc that runs."""
    dvc_state.RWLOCK.write_text('{"read": {}, "write": {"/a": {"pid": 1, "cmd": "dvc repro"}}}')
    assert dvc_state.mend() is None
    with make_lock(str(dvc_state.GUARD), tmp_dir=str(dvc_state.RWLOCK.parent)):
        dvc_state.RWLOCK.write_text("")
        assert dvc_state.mend() is None
    assert dvc_state.RWLOCK.exists()
