"""What was changed in place, where DVC sees no change, is not sent; the file is checked without an account."""

import os
from pathlib import Path

import pytest

from tests.support.kaggle_project import Call, Stage
from tests.support.kaggle_server import KaggleServer


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("data/submission.csv", ()),
        ("data/submission.csv", ("--dry-run",)),
        ("data/submission.csv", ("--kernel",)),
        ("data/kernel/submission.py", ("--kernel",)),
        ("data/kernel/dataset/model/fold_0/saved_model.pb", ("--kernel",)),
    ],
)
def test_a_change_that_dvc_does_not_see(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, file: str, words: tuple[str, ...]
) -> None:
    """With the same size and time: refused before anything is asked of Kaggle, with the file's name and the remedy."""
    project("dvc", "status")
    path = folder / file
    state, content = path.stat(), path.read_bytes()
    path.chmod(0o644)
    with path.open("r+b") as opened:
        opened.write(content.replace(b"2 5", b"3 5", 1) if b"2 5" in content else content.swapcase())
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "up to date" in project("dvc", "status")
    result = stage("submit", "-m", "first idea", *words)
    assert result.returncode == 1
    assert f"submit: {file}: expected the file that dvc.lock records, found another one: remove {file}" in result.stderr
    assert "run dvc checkout, and dvc repro if that cannot restore it" in result.stderr
    assert server.requests == []


def test_dry_run_without_an_account(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, environment: dict[str, str]
) -> None:
    """The file is checked; that Kaggle is not asked is told. Without --dry-run it is a mistake."""
    del environment["KAGGLE_USERNAME"], environment["KAGGLE_KEY"]
    result = stage("submit", "-m", "first idea", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "data/submission.csv: 3 images, 3 masks, SHA-256" in result.stdout
    assert "no credentials: Kaggle is not asked how many submissions are left" in result.stdout
    assert server.requests == []
    assert stage("submit", "--dry-run").returncode == 0, "what is not sent needs no description"
    result = stage("submit", "-m", "first idea")
    assert result.returncode == 1
    assert "kaggle: expected credentials, found none: make a token" in result.stderr


def test_dry_run_finds_what_is_wrong_without_an_account(
    project: Call, stage: Stage, folder: Path, environment: dict[str, str]
) -> None:
    """An invalid file."""
    del environment["KAGGLE_USERNAME"], environment["KAGGLE_KEY"]
    sample = folder / "data/raw/sample_submission.csv"
    sample.write_text(sample.read_text() + "another.jpg,1 1,0\n")
    result = stage("submit", "-m", "first idea", "--dry-run")
    assert result.returncode == 1
    assert "data/submission.csv: expected 4 images, as in the sample, found 3" in result.stderr
