"""Folders in which commands run."""

from pathlib import Path

import pytest

from tests.support import own_steel


@pytest.fixture
def steel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `own_steel`, which becomes the current one."""
    own_steel.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
