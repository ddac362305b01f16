"""Photographs that arrive while segment waits, and Ctrl-C; seconds are shortened, the network is arithmetic."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages.commands import segment
from stages.inference import engines
from stages.photographs import arrivals, mask_files, mask_writer
from stages.pipeline import cli, progress
from tests.support import trained
from tests.support.pictures import encoded

MISSING = "segment: expected masks of everything that was named, got none for 1: see above"
LIMIT = 30  # seconds in which everything has to happen


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is reported, which takes half a second of standing still."""
    messages: list[str] = []
    monkeypatch.setattr(arrivals, "PATIENCE", 0.5)
    monkeypatch.setattr(progress, "message", messages.append)
    return messages


@pytest.fixture(autouse=True)
def _quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished run in the current folder, and a tenth of the seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "load", lambda *name_and_place: trained.network)
    monkeypatch.setattr(arrivals, "POLL", 0.02)
    monkeypatch.setattr(arrivals, "SETTLED", 0.1)
    monkeypatch.setattr(arrivals, "PATIENCE", LIMIT)
    trained.make(Path())
    Path("in").mkdir()


def photograph() -> bytes:
    """A PNG of which a half is bright."""
    return encoded(".png", np.repeat(np.array([[110], [204]], np.uint8), 16, axis=0).repeat(64, axis=1))


def watch(monkeypatch: pytest.MonkeyPatch, story: Callable[[], None]) -> str | int | None:
    """Run `segment in --watch` while a story happens in another thread, which ends it; returns the exit status."""
    stop = threading.Event()

    @contextmanager
    def instead() -> Iterator[threading.Event]:
        yield stop

    def told() -> None:
        try:
            story()
        except BaseException as error:  # noqa: BLE001  (raised below, in the test's own thread)
            failures.append(error)
        finally:
            stop.set()

    failures: list[BaseException] = []
    monkeypatch.setattr(segment, "interruptible", instead)
    thread = threading.Thread(target=told)
    thread.start()
    code: str | int | None = 0
    try:
        cli.run_command("segment", ["in", "--watch", "--out", "out"])
    except SystemExit as ended:
        code = ended.code
    thread.join()
    if failures:
        raise failures[0]
    return code


def until(happened: Callable[[], bool]) -> None:
    """Wait for something."""
    end = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def rows() -> list[str]:
    """The photographs in the table, one for each class."""
    table = Path("out/masks.csv")
    return [line.partition(",")[0] for line in table.read_text().splitlines()[1:]] if table.exists() else []


def test_photographs_are_segmented_as_they_arrive(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is there, one that comes, one that grows for a while; none twice; the table holds all."""
    Path("in/a.png").write_bytes(photograph())

    def story() -> None:
        until(lambda: rows() == ["a.png"] * 2)
        Path("in/b.png").write_bytes(photograph())
        until(lambda: "b.png" in rows())
        whole = photograph()
        for end in (0, len(whole) // 2, len(whole) - 1):
            Path("in/c.png").write_bytes(whole[:end])
            time.sleep(0.3)  # it settles, and is read in vain
        Path("in/c.png").write_bytes(whole)
        until(lambda: "c.png" in rows())
        os.utime("in/a.png")
        time.sleep(0.3)

    assert watch(monkeypatch, story) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    without, *lines = printed.out.splitlines()
    assert without.startswith("segment: no expected Dice and no warning about other light")
    assert lines[1] == "segment: watching in; Ctrl-C ends it"
    assert lines[2:5] == [f"segment: {name}.png: pits 1,024 pixels in 1" for name in "abc"]
    assert lines[5].startswith("segment: 3 photograph(s) in ")
    assert rows() == [f"{name}.png" for name in "abc" for _ in range(2)]
    assert cv2.imread("out/masks/c.png", cv2.IMREAD_UNCHANGED).sum() == 1024


def test_a_photograph_that_stays_cut_off(monkeypatch: pytest.MonkeyPatch, reported: list[str]) -> None:
    """One message after a while, and exit status 1; the others are segmented."""
    Path("in/a.png").write_bytes(photograph()[:-4])

    def story() -> None:
        until(lambda: bool(reported))
        Path("in/b.png").write_bytes(photograph())
        until(lambda: "b.png" in rows())
        time.sleep(1)

    assert watch(monkeypatch, story) == MISSING
    (message,) = reported
    assert message.startswith("segment: in/a.png: expected a whole PNG, found one that is cut off or damaged")
    assert not Path("out/masks/a.png").exists()


def test_a_photograph_of_another_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported at once, however long a cut off one is waited for."""
    messages: list[str] = []
    monkeypatch.setattr(progress, "message", messages.append)
    Path("in/a.png").write_bytes(encoded(".png", np.zeros((16, 40), np.uint8)))
    start = time.monotonic()
    assert watch(monkeypatch, lambda: until(lambda: bool(messages))) == MISSING
    assert time.monotonic() - start < LIMIT / 2
    (message,) = messages
    assert message.startswith("segment: in/a.png: expected ")


def test_a_photograph_that_is_whole_after_all(monkeypatch: pytest.MonkeyPatch, reported: list[str]) -> None:
    """It was reported, and then the rest came: that is no failure."""
    Path("in/a.png").write_bytes(photograph()[:-4])

    def story() -> None:
        until(lambda: bool(reported))
        Path("in/a.png").write_bytes(photograph())
        until(lambda: "a.png" in rows())

    assert watch(monkeypatch, story) == 0


def test_two_of_the_same_name_and_a_folder_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second is refused once; the folder is waited for."""
    Path("in/a.png").write_bytes(photograph())

    def story() -> None:
        until(lambda: "a.png" in rows())
        Path("in/a.bmp").write_bytes(photograph())
        time.sleep(0.5)
        Path("in").rename("away")
        time.sleep(0.3)
        Path("away").rename("in")
        Path("in/b.png").write_bytes(photograph())
        until(lambda: "b.png" in rows())

    assert watch(monkeypatch, story) == MISSING
    assert capsys.readouterr().err.splitlines() == [
        "segment: in/a.bmp: expected another name than in/a.png, whose masks have the same: rename one",
        "segment: in: cannot be looked at; waiting for it",
    ]


def test_nothing_arrives(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No output, and no failure."""
    assert watch(monkeypatch, lambda: time.sleep(0.2)) == 0
    assert not Path("out").exists()
    assert ", 0 with a mask (pits 0, cracks 0)" in capsys.readouterr().out


def test_an_end_before_everything_was_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody has read yet is counted; only what could not be read is a failure."""
    monkeypatch.setattr(arrivals, "SETTLED", LIMIT)
    for name in "ab":
        Path(f"in/{name}.png").write_bytes(photograph())
    assert watch(monkeypatch, lambda: time.sleep(0.3)) == 0
    assert "segment: 2 photograph(s) had not been begun, among them in/a.png" in capsys.readouterr().out


def test_what_cannot_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    """A photograph, and a folder that is not there."""
    Path("a.png").write_bytes(photograph())
    for place, found in (("a.png", "a file"), ("no-such", "nothing")):
        with pytest.raises(SystemExit) as ended:
            cli.run_command("segment", [place, "--watch", "--out", "out"])
        assert ended.value.code == f"segment: {place}: expected a folder to watch, found {found}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends(number: signal.Signals) -> None:
    """Files that are being written are completed first; afterwards signals do what they did before."""
    before, calls = signal.getsignal(number), []
    signal.signal(number, lambda *received: calls.append(received))
    try:
        with mask_writer.interruptible() as stop:
            assert not stop.is_set()
            os.kill(os.getpid(), number)
            assert stop.wait(LIMIT)
            assert calls == []
            os.kill(os.getpid(), number)
            until(lambda: bool(calls))
        os.kill(os.getpid(), number)
        until(lambda: len(calls) == 2)
    finally:
        signal.signal(number, before)


def test_interrupted_between_photographs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """No further photograph is begun; every mask has its row, and the exit status is 130."""
    for number in range(40):
        Path(f"in/{number:02}.png").write_bytes(photograph())
    stop = threading.Event()

    @contextmanager
    def instead() -> Iterator[threading.Event]:
        yield stop

    monkeypatch.setattr(segment, "interruptible", instead)
    real = mask_files.write

    def write(*given: Any) -> list[mask_files.Row]:
        stop.set()
        return real(*given)

    monkeypatch.setattr(mask_files, "write", write)
    with pytest.raises(SystemExit) as ended:
        cli.run_command("segment", ["in", "--out", "out"])
    assert ended.value.code == 130
    assert "segment: interrupted" in capsys.readouterr().err
    written = sorted(path.stem for path in Path("out/masks").iterdir())
    assert 0 < len(written) < 40
    assert {row.removesuffix(".png") for row in rows()} == {*written}
