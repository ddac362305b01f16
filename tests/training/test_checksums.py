"""Records of a training's state, which hold their own checksum."""

from pathlib import Path

import pytest

from stages.training import checksums


def test_a_record_comes_back(tmp_path: Path) -> None:
    """As it was written."""
    checksums.write_record(tmp_path / "a.json", {"history": [{"loss": 0.5}], "stopped": False})
    assert checksums.read_record(tmp_path / "a.json") == {"history": [{"loss": 0.5}], "stopped": False}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "[" * 99_999, '{"a": ' * 99_999, '{"stopped": true, "checksum": "0"}']
)
def test_a_damaged_record(tmp_path: Path, content: str) -> None:
    """One kind of error, whatever the damage: the training starts over."""
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=r"."):
        checksums.read_record(tmp_path / "a.json")
