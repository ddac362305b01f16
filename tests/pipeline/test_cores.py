import os
from pathlib import Path

import pytest

from stages.pipeline import cores


def test_a_container_may_have_fewer_cores_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its share of processor time, rounded down, at least one; "max" is no limit."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    assert cores.usable() == 8
    for text, usable in (("350000 100000", 3), ("50000 100000", 1), ("max 100000", 8), ("1600000 100000", 8)):
        (tmp_path / "cpu.max").write_text(text)
        assert cores.usable() == usable
