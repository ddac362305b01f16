import os
from pathlib import Path

import pytest

from stages.kaggle.journal import Journal
from stages.pipeline.cli import UserError


def test_results_are_kept_by_contents(tmp_path: Path) -> None:
    """In another process too; what is forgotten is done again."""
    path = tmp_path / "data/submitted.json"
    journal = Journal(path)
    journal.note("submission", "a", 1)
    journal.note("submission", "b", 2)
    again = Journal(path)
    assert [again.get("submission", key) for key in "abc"] == [1, 2, None]
    again.forget("submission", "a")
    assert [Journal(path).get("submission", key) for key in "ab"] == [None, 2]
    assert [file.name for file in path.parent.iterdir()] == ["submitted.json"]


def test_the_newest_alone(tmp_path: Path) -> None:
    """Of a data set there is one newest version: after that of b, a has to be sent again."""
    journal = Journal(tmp_path / "submitted.json")
    journal.note("dataset", "a", "address", alone=True)
    journal.note("dataset", "b", "address", alone=True)
    assert [journal.get("dataset", key) for key in "ab"] == [None, "address"]


def test_a_change_is_on_the_disk_before_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file is synced before it takes the old one's place, and its folder after that."""
    calls: list[str] = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        calls.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def moved(old: Path, new: Path) -> None:
        calls.append("moved")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", moved)
    Journal(tmp_path / "submitted.json").note("submission", "a", 1)
    assert calls == [".submitted.json.partial", "moved", tmp_path.name]


def test_a_step_is_closed_in_the_same_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an intent and its result there is never none, and never both."""
    journal = Journal(tmp_path / "submitted.json")
    journal.note("intent", "a", {})
    journal.note("intent", "b", {})
    written = []
    write = journal._write

    def noted() -> None:
        write()
        written.append(Journal(journal.path).done)

    monkeypatch.setattr(journal, "_write", noted)
    journal.note("submission", "a", 1, closes="intent")
    assert written == [{"intent": {"b": {}}, "submission": {"a": 1}}]


@pytest.mark.parametrize("place", ["submitted.json", ".submitted.json.partial"])
def test_a_folder_in_the_place_of_the_file(tmp_path: Path, place: str) -> None:
    """One message with the journal's name."""
    (tmp_path / place).mkdir()
    with pytest.raises(UserError, match=r"submitted\.json: .*Is a directory"):
        Journal(tmp_path / "submitted.json").note("submission", "a", 1)
