"""How stages and commands start and end, within this process and in separate ones."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.kaggle import answers, credentials
from stages.pipeline import cli, outputs, stage

ROOT = Path(__file__).parents[2]
DOCSTRING = "Do something.\n\nReads data/raw."


def called(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` in a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run([sys.executable, "-m", *words], cwd=folder, env=environment, text=True, capture_output=True)


@pytest.fixture
def no_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line consists of the program alone; nothing is watched when the test has ended."""
    monkeypatch.setattr(sys, "argv", ["stage"])
    monkeypatch.setattr(outputs, "before_replacing", [])


def explore() -> None:
    """A stage whose user made a mistake."""
    raise cli.UserError("train.csv, line 3: expected 3 fields, found 2")


explore.__module__ = "stages.explore"


@pytest.mark.usefixtures("no_arguments")
def test_a_stage_that_succeeds_prints_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    """A stage is run once, and nothing is printed besides its own output."""
    ran = []
    stage.run(lambda: ran.append(1), DOCSTRING)
    assert ran == [1]
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("no_arguments")
def test_a_users_mistake_becomes_the_exit_message() -> None:
    """The message starts with the stage's name; Python prints it on exit."""
    with pytest.raises(SystemExit) as end:
        stage.run(explore, DOCSTRING)
    assert end.value.code == "explore: train.csv, line 3: expected 3 fields, found 2"


@pytest.mark.usefixtures("no_arguments")
def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupted stage ends with status 130, as shells expect, and one line."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    interrupted.__module__ = "__main__"
    with pytest.raises(SystemExit) as end:
        stage.run(interrupted, None)
    assert end.value.code == 130
    assert capsys.readouterr() == ("", "interrupted: interrupted\n")


@pytest.mark.usefixtures("no_arguments")
def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    """A fault of the program is not presented as a user's mistake."""

    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.run(broken, DOCSTRING)


@pytest.mark.usefixtures("no_arguments")
def test_an_error_of_the_system_is_one_line() -> None:
    """A folder is read as a file: the message has its path and the system's reason."""

    def reads() -> None:
        Path("/").read_text()

    reads.__module__ = "stages.reads"
    with pytest.raises(SystemExit) as end:
        stage.run(reads, DOCSTRING)
    assert end.value.code == "reads: /: cannot be read or written: Is a directory"


@pytest.mark.usefixtures("no_arguments")
def test_an_error_of_a_library_keeps_its_traceback() -> None:
    """An OSError without an error number, such as those of Pillow and requests, is not the system's."""

    def broken() -> None:
        raise OSError("cannot identify image file")

    with pytest.raises(OSError, match="cannot identify"):
        stage.run(broken, DOCSTRING)


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--help"], 0), (["-h"], 0), (["--epochs", "3"], 2), (["params.yaml"], 2)]
)
def test_help_and_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int
) -> None:
    """Help says what the stage does and where its parameters are; an argument is refused and nothing runs."""
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    with pytest.raises(SystemExit) as end:
        stage.run(explore, DOCSTRING)
    assert end.value.code == status
    printed = capsys.readouterr()
    assert "usage: python -m stages.explore" in printed.out + printed.err
    if status == 0:
        assert DOCSTRING in printed.out
        assert "Takes no arguments: all parameters are in params.yaml." in printed.out


def test_a_mistake_in_a_process(tmp_path: Path) -> None:
    """Without params.yaml: exit status 1, one line on stderr, no traceback, nothing on stdout, no file written."""
    result = called("stages", "check", folder=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "check: params.yaml: expected the parameters of the pipeline, found no readable file "
        "(No such file or directory)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_without_some_characters(tmp_path: Path) -> None:
    """In a locale without the character …, a stage that prints it runs to its end, and ? is printed."""
    (tmp_path / "dots.py").write_text("from stages.pipeline import cli\ncli.guard('dots', lambda: print('a…b'))\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    result = subprocess.run([sys.executable, "dots.py"], cwd=tmp_path, env=environment, capture_output=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"a?b\n", b"")


def test_success_and_help_in_a_process(tmp_path: Path) -> None:
    """With the committed params.yaml: exit status 0 and no output; `--help` shows the command to type."""
    result = called("stages", "check", folder=ROOT)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    result = called("stages", "check", "--help", folder=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("usage: python -m stages check [-h]\n")


def test_a_message_where_stderr_is_closed(tmp_path: Path) -> None:
    """It goes to stdout, instead of nowhere."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    closed = ["sh", "-c", f"exec {sys.executable} -m stages check 2>&-"]
    found = subprocess.run(closed, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, check=False)
    assert (found.returncode, found.stdout.startswith("check: params.yaml: expected the parameters")) == (1, True)


HOSTILE = {
    "188,079 bytes that are no text": np.random.default_rng(0).bytes(188_079).decode("latin-1"),
    "controls of a terminal": "\x1b[2J\x1b]0;owned\x07.png",
    "half a character": "\udcff.png",
    "right to left": "\u202egnp.a",
    "a long name": "x" * 100_000,
    "a long text": "one of many words " * 10_000,
    "many lines": "line\n" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", [cli.UserError, credentials.NoCredentialsError, answers.RefusedError])
@pytest.mark.parametrize("case", HOSTILE)
def test_any_name_can_stand_in_a_message(case: str, kind: type[cli.UserError]) -> None:
    """It is cut and printable; where, and what to do, are still there."""
    message = str(kind(f"train.csv, line 2: expected an id, found {HOSTILE[case]}: rename it"))
    assert message.startswith("train.csv, line 2: expected an id, found ")
    assert message.endswith(": rename it")
    assert len(message) <= 8000
    assert all(line.isprintable() for line in message.split("\n"))
    assert message.count("\n") < 60


def test_a_usual_message_stays_as_it_is() -> None:
    """Other scripts, long paths and a list of faults are no reason to cut."""
    message = f"{'/folder' * 50}/鋼 é.png: expected 1 × 2 …, found “3”\n" + "\n".join(["  a fault"] * 12)
    assert str(cli.UserError(message)) == message


def test_no_message_leaves_another_way() -> None:
    """Every module raises `UserError`, and nothing else ends the process with a text of its own."""
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "stages").rglob("*.py")
        if re.search(r"sys\.exit\((?!\d)|SystemExit\(|parser\.error\(", path.read_text(encoding="utf-8"))
    }
    alone = {"stages/kaggle/script.py", "stages/exporting/example.py"}  # without the rest: on Kaggle, and in an export
    assert found == {"stages/pipeline/cli.py"} | alone


def test_an_interrupt_while_a_command_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Importing takes seconds; it ends as every other interrupt, without a traceback."""

    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.run_command("segment", ["--help"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "segment: interrupted\n"
