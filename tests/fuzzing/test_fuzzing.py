"""A short run of `make fuzz` with a fixed seed, and what the run itself promises."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

from stages.pipeline.cli import UserError
from tests.fuzzing import __main__ as command
from tests.fuzzing import campaign, reader, worker
from tests.fuzzing.campaign import Counts
from tests.fuzzing.reader import (
    ACCEPTED,
    FAULTS,
    HANG,
    REFUSED,
    TOO_MUCH_MEMORY,
    TRACEBACK,
    WRONG,
    Ended,
    Files,
    Reader,
)
from tests.fuzzing.readers import KINDS, of_kinds

INPUTS = {"yaml": 40, "kaggle": 60}  # of each kind; those that are read slowly have fewer than the others
MOST = 200


@pytest.mark.parametrize("kind", KINDS)
def test_readers_refuse_what_they_cannot_read(kind: str) -> None:
    """No changed input ends in a traceback, a hang, too much memory, or is read wrongly."""
    readers = of_kinds([kind])
    assert {each.kind for each in readers} == {kind}
    faults: list[tuple[str, Ended]] = []
    count = 0

    def each(files: Files) -> None:
        nonlocal count
        count += 1
        ended, _ = campaign.read_once(one, files)
        if ended.outcome in FAULTS:
            faults.append((one.name, ended))

    for one in readers:
        campaign.batch(one, 0, INPUTS.get(kind, MOST) // len(readers) + 1, each)
    assert faults == []
    assert count >= INPUTS.get(kind, MOST) // 2


def _reader(read: reader.Read) -> Reader:
    return Reader("tried", "tables", st.just({"a/b.txt": b"x"}), read)


def _raises(error: BaseException) -> reader.Read:
    def read(folder: Path) -> None:
        raise error

    return read


def _endless(folder: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (lambda folder: None, ACCEPTED),
        (lambda folder: "another", WRONG),
        (_raises(UserError("a: expected b")), REFUSED),
        (_raises(UserError("")), WRONG),
        (_raises(FileNotFoundError(2, "none", "a")), REFUSED),
        (_raises(OSError("of a library")), TRACEBACK),
        (_raises(KeyError("a")), TRACEBACK),
        (_raises(SystemExit(2)), TRACEBACK),
        (_raises(MemoryError()), TOO_MUCH_MEMORY),
        (_endless, HANG),
    ],
)
def test_what_a_run_ends_in(read: reader.Read, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the project's own commands treat the same errors."""
    monkeypatch.setattr(reader, "SECONDS", 0.2)
    assert campaign.read_once(_reader(read), {"a": b""})[0].outcome == outcome


def test_a_failing_input_is_kept_and_read_again(tmp_path: Path) -> None:
    """With the seed and what was wrong; three of a kind are enough."""
    failing, counts = _reader(_raises(KeyError("a"))), Counts()
    ended = campaign.read_once(failing, {"a/b.txt": b"x"})[0]
    for _ in range(5):
        worker.note(failing, 7, ended, {"a/b.txt": b"x"}, counts, tmp_path)
    assert len(counts.kept) == campaign.KEPT
    assert (counts.kept[0] / "input/a/b.txt").read_bytes() == b"x"
    about = json.loads((counts.kept[0] / campaign.ABOUT).read_text())
    assert (about["seed"], about["outcome"]) == (7, TRACEBACK)
    assert campaign.replay(counts.kept[0], [failing]).outcome == TRACEBACK
    assert counts.faults() == 5
    assert "| tables | 5 | 0 | 0 | 5 | 0 | 0 | 0 |" in command.table(counts)


def test_a_seed_gives_the_same_inputs() -> None:
    """So that a run can be repeated."""
    found: list[list[Files]] = []
    for _ in range(2):
        found.append([])
        campaign.batch(of_kinds(["tables"])[0], 3, 10, found[-1].append)
    assert found[0] == found[1]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with a table and the seed."""
    monkeypatch.setattr(command, "KEPT", tmp_path / "kept")
    assert command.main(["--minutes", "0.05", "--only", "tables", "--seed", "5"]) == 0
    out = capsys.readouterr().out
    assert "| kind | inputs | accepted | refused | tracebacks | hangs | memory | wrong accepts |" in out
    assert out.endswith("seed: 5\n")
