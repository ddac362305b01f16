"""docs/lesson.ipynb: what is committed, where it may start, and a run from top to bottom, solutions included."""

import ast
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from docs import lesson
from tests.support import repository

COMMITTED = lesson.read()
CODE = [cell for cell in COMMITTED.cells if cell.cell_type == "code"]
TEXT = "\n".join(cell["source"] for cell in COMMITTED.cells if cell.cell_type == "markdown")
WORDS = ("Dice", "precision", "recall", "fold", "threshold", "run length", "near-duplicate", "held out")


def printed(notebook: object) -> str:
    """All text among the outputs of a notebook."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]  # type: ignore[attr-defined]
    return "".join(output.get("text", "") or output.get("data", {}).get("text/markdown", "") for output in outputs)


def test_the_committed_outputs_are_of_one_run() -> None:
    """From the first cell to the last, in a new kernel, and none failed: what `make lesson` leaves."""
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    assert not [output for cell in CODE for output in cell["outputs"] if output["output_type"] == "error"]
    assert sum("image/png" in output.get("data", {}) for cell in CODE for output in cell["outputs"]) >= 3
    assert not [cell for cell in CODE if "execution" in cell.metadata]


def test_the_notebook_is_small_and_of_no_machine() -> None:
    """No path of the computer that it ran on, no address, and less than 600 kB."""
    text = lesson.NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 600_000
    assert re.findall(r"(?:/tmp|/home|/root|/work|/Users|/var)/\S*", text) == []
    assert CODE[0]["source"].startswith('ADDRESS = ""  #')


def test_links_lead_somewhere() -> None:
    """Pages beside the notebook."""
    targets = re.findall(r"\]\(([^)\s]+)\)", TEXT)
    assert targets
    assert [target for target in targets if not (lesson.NOTEBOOK.parent / target).is_file()] == []


def test_three_exercises_have_hints_and_solutions() -> None:
    """Solutions are collapsed, and their code can be parsed."""
    exercises, _, rest = TEXT.partition(". Exercises\n")[2].partition("## Solutions")
    assert len(re.findall(r"^\d\. \*\*", exercises, re.MULTILINE)) == exercises.count("*Hint*") == 3
    assert len(re.findall(r"<details>\n<summary>\d\. ", rest)) == rest.count("</details>") == 3
    assert [type(ast.parse(code)) for code in lesson.solutions(COMMITTED)] == [ast.Module] * 3


@pytest.mark.parametrize("word", WORDS)
def test_the_glossary_explains_the_words(word: str) -> None:
    """Each in a row of its own."""
    assert re.search(rf"^\| {word} \| .+ \|$", TEXT.partition("## Glossary")[2], re.MULTILINE)


def is_emptied(temporary: Path) -> bool:
    """Whether the copy goes away; a process does that behind the kernel."""
    end = time.monotonic() + 60
    while (left := list(temporary.glob("lesson-*"))) and time.monotonic() < end:
        time.sleep(0.1)
    return not left


def first_cell(folder: Path, address: str = "") -> subprocess.CompletedProcess[str]:
    """Run the first code cell in a folder, with its temporary files beside it."""
    (temporary := folder.parent / "temporary").mkdir()
    code = CODE[0]["source"].replace('ADDRESS = ""', f"ADDRESS = {address!r}")
    environment = os.environ | {"TMPDIR": str(temporary), "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert is_emptied(temporary)
    return ran


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the project as it is now."""
    return repository.started(tmp_path / "clone")


def test_the_first_cell_in_a_clone(clone: Path) -> None:
    """It sets the recipe's parameters in a copy that goes away, and leaves the clone alone."""
    ran = first_cell(clone)
    assert ran.returncode == 0, ran.stderr
    assert "train.epochs: 7 -> 2" in ran.stdout
    assert repository.call(clone, "git", "status", "--porcelain") == ""


def test_the_first_cell_without_a_clone(clone: Path, tmp_path: Path) -> None:
    """It fetches the repository from the address that is given."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    ran = first_cell(elsewhere, str(clone))
    assert ran.returncode == 0, ran.stderr
    assert "train.epochs: 7 -> 2" in ran.stdout
    assert list(elsewhere.iterdir()) == []


def test_the_first_cell_in_a_downloaded_zip(clone: Path) -> None:
    """Files without git's history: they are copied."""
    shutil.rmtree(clone / ".git")
    ran = first_cell(clone)
    assert ran.returncode == 0, ran.stderr
    assert "train.epochs: 7 -> 2" in ran.stdout
    assert not (clone / ".git").exists()


def test_the_first_cell_with_neither(tmp_path: Path) -> None:
    """It says what it needs."""
    (nowhere := tmp_path / "nowhere").mkdir()
    ran = first_cell(nowhere)
    assert ran.returncode == 1
    assert "expected the repository's address in ADDRESS, or a clone around this notebook, found neither" in ran.stderr


@pytest.mark.prove
def test_the_lesson_from_top_to_bottom(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell and every solution succeeds, the network finds something, and nothing is left behind."""
    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    notebook = lesson.read()
    notebook.cells += [new_code_cell(code) for code in lesson.solutions(notebook)]
    lesson.run(notebook, clone / "docs")
    found = re.search(r"^positive_mean_dice +(\S+)$", printed(notebook), re.MULTILINE)
    assert float(found[1]) > 0.1
    assert "| mean Dice " in printed(notebook)
    assert repository.call(clone, "git", "status", "--porcelain") == ""
    assert is_emptied(temporary)
