"""When a file that arrives is read, and when it is given up: on a clock that the tests turn."""

import os
from pathlib import Path

import pytest

from stages.photographs.arrivals import PATIENCE, SETTLED, Arrivals


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    """A clock at 0."""
    return Clock()


@pytest.fixture
def arrivals(tmp_path: Path, clock: Clock) -> Arrivals:
    """Of an empty folder."""
    return Arrivals([tmp_path], clock)


def test_a_file_is_ready_when_it_stands_still(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    """Not at once, not while it grows, and not while its time changes; then until it is done."""
    file = tmp_path / "a.png"
    assert arrivals.ready() == []
    for content in (b"", b"x", b"xy"):
        file.write_bytes(content)
        assert arrivals.ready() == []
        clock.wait(SETTLED)
    file.write_bytes(b"xyz")
    assert arrivals.ready() == []  # it has just grown
    clock.wait(SETTLED / 2)
    os.utime(file, (1, 1))
    assert arrivals.ready() == []
    clock.wait(SETTLED * 0.9)
    assert arrivals.ready() == []
    clock.wait(SETTLED)
    assert arrivals.ready() == arrivals.ready() == [file]
    arrivals.done(file)
    file.write_bytes(b"another photograph of that name")
    for _ in range(3):
        clock.wait(PATIENCE)
        assert arrivals.ready() == []


def test_what_cannot_be_read_is_reported_once(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    """Tried when it settles and when patience ends; again only after it has changed."""
    file = tmp_path / "a.png"
    file.write_bytes(b"half")
    arrivals.ready()
    clock.wait(SETTLED)
    assert arrivals.ready() == [file]
    assert not arrivals.refused(file, whole=False)
    clock.wait(PATIENCE - SETTLED - 1)
    assert arrivals.ready() == []
    clock.wait(1)
    assert arrivals.ready() == [file]
    assert arrivals.refused(file, whole=False)
    clock.wait(10 * PATIENCE)
    assert arrivals.ready() == []
    file.write_bytes(b"the whole")
    arrivals.ready()
    clock.wait(SETTLED)
    assert arrivals.ready() == [file]


def test_what_is_still_waited_for(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    """What was seen, until it is done or reported: the command names it when it ends."""
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    for file in (first, second):
        file.write_bytes(b"half")
    arrivals.ready()
    assert arrivals.waiting() == ([], [first, second])
    clock.wait(PATIENCE)
    assert arrivals.ready() == [first, second]
    arrivals.done(first)
    assert arrivals.waiting() == ([], [second])
    assert arrivals.refused(second, whole=False)
    assert arrivals.waiting() == ([], [])


@pytest.mark.parametrize(("stood_still", "whole"), [(PATIENCE, False), (SETTLED, True)])
def test_what_is_reported_at_once(
    tmp_path: Path, arrivals: Arrivals, clock: Clock, stood_still: float, whole: bool
) -> None:
    """What has stood still for long, as when the photographs before it took minutes; and what was read and refused."""
    file = tmp_path / "a.png"
    file.write_bytes(b"half, or too wide")
    arrivals.ready()
    clock.wait(stood_still)
    assert arrivals.ready() == [file]
    assert arrivals.refused(file, whole=whole)
    clock.wait(PATIENCE)
    assert arrivals.ready() == []
    assert arrivals.waiting() == ([], [])


def test_other_files_and_hidden_ones_do_not_count(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    """Texts, folders, pipes, and what copying programs call .a.png until it is whole."""
    (tmp_path / "a.txt").touch()
    (tmp_path / ".a.png").touch()
    (tmp_path / "b.png").mkdir()
    os.mkfifo(tmp_path / "c.png")
    arrivals.ready()
    clock.wait(SETTLED)
    assert arrivals.ready() == []


def test_a_folder_that_is_away_for_a_while(tmp_path: Path, arrivals: Arrivals, clock: Clock) -> None:
    """It is named, and looked at again; what was done stays done."""
    folder = tmp_path.rename(tmp_path.with_name("away"))
    assert arrivals.ready() == []
    assert arrivals.unreachable == {tmp_path}
    folder.rename(tmp_path)
    (tmp_path / "a.png").touch()
    arrivals.ready()
    assert arrivals.unreachable == set()
    clock.wait(SETTLED)
    assert arrivals.ready() == [tmp_path / "a.png"]


def test_a_folder_named_twice_is_looked_at_once(tmp_path: Path, clock: Clock) -> None:
    """However it is written."""
    (tmp_path / "a.png").touch()
    twice = Arrivals([tmp_path, tmp_path / ".." / tmp_path.name], clock)
    twice.ready()
    clock.wait(SETTLED)
    assert [path.name for path in twice.ready()] == ["a.png"]
