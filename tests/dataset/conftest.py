"""Fixtures of the tests of data sets."""

from pathlib import Path

import pytest


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty folder to copy into."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder
