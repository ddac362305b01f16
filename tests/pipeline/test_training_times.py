"""The times of trainings beside their states and in DVC's cache."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from stages.pipeline import training_times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The present second, as its only item."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_killed_training_goes_on_counting(tmp_path: Path, clock: list[float]) -> None:
    """The seconds of both parts add up; those between them do not count, nor what was lost after the last lap."""
    state = tmp_path / "fold_0"
    watch = training_times.Stopwatch(state)
    clock[0] += 60
    watch.lap()
    clock[0] += 1000
    again = training_times.Stopwatch(state)
    clock[0] += 5
    again.lap()
    assert training_times.read([state]) == 65
    assert training_times.read([state, state]) == 130


def test_a_state_without_a_time_stays_without(tmp_path: Path, clock: list[float]) -> None:
    """Its training may have begun long ago."""
    watch = training_times.Stopwatch(tmp_path)
    clock[0] += 60
    watch.lap()
    assert training_times.read([tmp_path]) is None


def test_times_are_found_by_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the repository's cache; other metrics, and a time that is not known, are None."""
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    training_times.keep({"fold_0": {"loss": 0.25}}, 90.5)
    training_times.keep({"fold_0": {"loss": 0.5}}, None)
    assert training_times.kept([{"fold_0": {"loss": loss}} for loss in (0.5, 0.25, 0.75)]) == [None, 90.5, None]


@pytest.mark.parametrize("text", ["nan", "inf", "-60", "an hour", ""])
def test_a_damaged_time_is_unknown(tmp_path: Path, text: str) -> None:
    """Whatever the file holds."""
    (tmp_path / training_times.FILE).write_text(text)
    assert training_times.read([tmp_path]) is None


def test_without_a_repository_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage runs without DVC too."""
    monkeypatch.chdir(tmp_path)
    training_times.keep({}, 1.0)
    assert list(tmp_path.iterdir()) == []
    assert training_times.kept([{}]) == [None]
