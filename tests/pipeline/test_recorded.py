"""Outputs are compared with dvc.lock by what is in them, not by their time."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from stages.pipeline import recorded
from stages.pipeline.cli import UserError

PIPELINE = """
stages:
  predict:
    cmd: mkdir -p data/model/fold_0 && echo one > data/submission.csv && echo a > data/model/fold_0/ä.pb &&
      echo b > data/model/ensemble.json
    outs: [data/submission.csv, data/model]
"""
SUBMISSION, MODEL = Path("data/submission.csv"), Path("data/model")


@pytest.fixture(scope="module", params=["copy", "hardlink", "symlink"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of DVC whose only stage has run, with one of the ways in which files are linked to the cache."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "dvc.yaml").write_text(PIPELINE)
    for command in (
        "dvc init -q --no-scm",
        "dvc config core.analytics false",
        f"dvc config cache.type {request.param}",
        "dvc repro -q",
        "dvc checkout -q --relink",
    ):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it in which hard links are links to the copied cache, as the working folder."""
    subprocess.run(["cp", "-a", f"{finished}/.", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    for file in ("data/submission.csv", "data/model/ensemble.json", "data/model/fold_0/ä.pb"):
        if Path(file).is_symlink():
            target = os.readlink(file).replace(str(finished), str(tmp_path))
            Path(file).unlink()
            Path(file).symlink_to(target)
    dvc("status")
    return tmp_path


def dvc(*words: str) -> str:
    """A command of DVC, which must succeed."""
    return subprocess.run(["dvc", *words], check=True, capture_output=True, text=True).stdout


def change_in_place(path: Path) -> None:
    """Change a file's first byte and nothing by which DVC would notice it."""
    state = path.stat()
    path.chmod(0o644)
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(bytes([content[0] ^ 1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    path.chmod(state.st_mode)


def message(path: Path) -> str:
    """Of the refusal."""
    with pytest.raises(UserError) as error:
        recorded.check(path)
    return str(error.value)


def test_what_the_stage_wrote(project: Path) -> None:
    """A file and a folder with names in another script pass."""
    recorded.check(SUBMISSION)
    recorded.check(MODEL)


@pytest.mark.parametrize(
    ("output", "file"), [(SUBMISSION, SUBMISSION), (MODEL, MODEL / "ensemble.json"), (MODEL, MODEL / "fold_0/ä.pb")]
)
def test_changed_in_place(project: Path, output: Path, file: Path) -> None:
    """DVC sees no change; the message names the file and what brings it back, and doing that does."""
    before = file.read_bytes()
    linked = os.path.samefile(file, cached(before))
    change_in_place(file)
    assert "up to date" in dvc("status")
    said = message(output)
    assert said.startswith(f"{file}: expected the file that dvc.lock records, found another one: remove {file}")
    assert ("its copy in DVC's cache, which was changed too" in said) == linked
    assert "run dvc checkout, and dvc repro if that cannot restore it" in said
    if linked:
        assert str(cached(before)) in said
        cached(before).unlink()
    file.unlink(missing_ok=True)
    subprocess.run(["dvc", "checkout"], check=not linked, capture_output=True)
    if linked:
        dvc("repro")
    assert file.read_bytes() == before
    recorded.check(output)


def cached(content: bytes) -> Path:
    """Where the cache keeps a content."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Path(".dvc/cache/files/md5") / digest[:2] / digest[2:]


def test_a_file_more_or_less(project: Path) -> None:
    """In a folder each is named."""
    (MODEL / "more.pb").touch()
    assert message(MODEL) == "data/model/more.pb: expected no such file, as dvc.lock records data/model: remove it"
    (MODEL / "more.pb").unlink()
    (MODEL / "ensemble.json").unlink()
    assert message(MODEL).startswith("data/model/ensemble.json: expected the file that dvc.lock records, found none: ")


def test_a_damaged_listing_is_not_believed(project: Path) -> None:
    """The cache's list of the folder's files is hashed as well."""
    change_in_place(MODEL / "ensemble.json")
    (listing,) = Path(".dvc/cache/files/md5").rglob("*.dir")
    change_in_place(listing)
    assert message(MODEL).startswith("data/model: expected the files that dvc.lock records, found others or changed")


def test_another_kind(project: Path) -> None:
    """A folder in the place of a file, and nothing."""
    SUBMISSION.unlink()
    assert message(SUBMISSION).endswith("found none: run dvc checkout or dvc repro")
    SUBMISSION.mkdir()
    assert "data/submission.csv: expected a file, as dvc.lock records, found a folder" in message(SUBMISSION)


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        (None, "dvc.lock: expected the record of the stages' outputs (dvc repro writes it), found no readable file"),
        ("stages: {}", "dvc.lock: expected the MD5 of data/model, found none: run dvc repro"),
        ("[]", "dvc.lock: expected stages with their outputs, found others"),
        ("stages: {a: {outs: [5]}}", "dvc.lock: expected stages with their outputs, found others"),
        ("stages: {a: {outs: [{path: data/model, md5: 0}]}}", "dvc.lock: expected the MD5 of data/model, found none"),
        ("stages: {a: {outs: [{path: data/model, hash: md5}]}}", "dvc.lock: expected stages with their outputs"),
    ],
)
def test_a_lock_without_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str | None, expected: str
) -> None:
    """What is not recorded is refused."""
    monkeypatch.chdir(tmp_path)
    MODEL.mkdir(parents=True)
    if lock is not None:
        Path("dvc.lock").write_text(lock)
    assert expected in message(MODEL)
