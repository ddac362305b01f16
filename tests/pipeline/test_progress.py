"""Progress on a terminal and elsewhere."""

import io
import sys

import pytest

from stages.pipeline import progress
from stages.pipeline.progress import bar, counter, duration


class Clock:
    """Stands for the module `time`: a second passes with every look."""

    now = 0.0

    def monotonic(self) -> float:
        """The time."""
        self.now += 1
        return self.now


def test_elsewhere_than_on_a_terminal_a_line_appears_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first after two seconds, the next ten seconds later; whole lines, and nothing of a bar."""
    monkeypatch.setattr(progress, "time", Clock())
    with counter("train: epoch 1 of 2", 30, unit="steps", leave=False) as shown:
        for _ in range(15):
            shown.set_postfix_str("loss 2.5", refresh=False)
            shown.n += 1
            shown.display()  # as tqdm does at most twice a second
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(", about")[0] for line in lines] == [
        "train: epoch 1 of 2: 2 of 30 steps, loss 2.5",
        "train: epoch 1 of 2: 12 of 30 steps, loss 2.5",
    ]
    assert [line.endswith(" left") for line in lines] == [False, True]  # after two of thirty it is too early to say


def test_short_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Within two seconds nobody wonders; the items are all there."""
    assert list(bar("abc", "infer")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_work_of_unknown_length(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a total, how many there were; a closed stderr stops nothing."""
    monkeypatch.setattr(progress, "FIRST", -1.0)
    shown = bar(iter("abcd"), "explore: masks", unit="rows")
    shown.n = 1234
    shown.display()
    assert capsys.readouterr().err == "explore: masks: 1,234 rows\n"
    monkeypatch.setattr(sys, "stderr", None)
    assert list(bar("ab", "explore: masks")) == ["a", "b"]


def test_on_a_terminal_it_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of tqdm."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert list(bar("ab", "infer: fold 0")) == ["a", "b"]
    assert "infer: fold 0: 100%" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 s"), (59.4, "59 s"), (59.5, "1 min"), (84, "1 min 20 s"), (3594, "59 min 50 s"), (3595, "1 h"),
        (7500, "2 h 5 min"),
    ],
)  # fmt: skip
def test_times_are_written_as_people_say_them(seconds: float, text: str) -> None:
    """Tens of seconds from a minute on, minutes from an hour on."""
    assert duration(seconds) == text
