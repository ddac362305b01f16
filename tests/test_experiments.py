"""Experiments of several people, shared through a DVC remote, and of several processes that run at the same time."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import repository, storage
from tests.support.repository import SMALL, call, setting
from tests.support.storage import Storage

pytestmark = [pytest.mark.prove, pytest.mark.slow]

VARIANTS = {"low": "train.learning_rate=0.0005", "high": "train.learning_rate=0.004"}


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a committed small run; its git remote `origin` is a bare repository beside it."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "author").mkdir()
    repository.start(folder / "author")
    call(folder / "author", "dvc", "exp", "run", "-n", "base", *setting(*SMALL))
    repository.commit(folder / "author", "run")
    call(folder, "git", "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    call(folder / "author", "git", "remote", "add", "origin", str(folder / "origin.git"))
    return folder / "author"


@pytest.fixture(scope="module", params=["folder", "s3"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, author: Path) -> Iterator[Storage]:
    """A default remote that the author has pushed to: a folder, then S3."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "folder":
        remote = Storage("folder", str(folder / "store"))
        publish(author, remote)
        yield remote
    else:
        with storage.s3(storage.environment_with_s3(folder / "environment"), folder / "server.log") as remote:
            publish(author, remote)
            yield remote


def publish(author: Path, remote: Storage) -> None:
    """Make a remote the default, commit the change, and push code, data and models."""
    call(author, "dvc", "remote", "add", "--force", "--default", remote.name, remote.url)
    for key, value in remote.options.items():
        call(author, "dvc", "remote", "modify", remote.name, key, value)
    repository.commit(author, f"share by {remote.name}")
    dvc(author, remote, "push")
    call(author, "git", "push", "--quiet", "origin", "main")


def dvc(folder: Path, remote: Storage, *words: str, succeeds: bool = True, keys: bool = True) -> str:
    """Run a `dvc` that can reach the remote, with or without the keys. Stages run with the project's own `python`.

    If the default remote is on S3, any `dvc` command that handles data needs the plug-in, even if it pulls nothing.
    """
    environment = {key: value for key, value in remote.environment.items() if keys or key not in storage.KEYS}
    return call(folder, remote.dvc, *words, succeeds=succeeds, environment=environment)


def second(author: Path, folder: Path, remote: Storage) -> Path:
    """Somebody else's clone, with the data."""
    call(folder, "git", "clone", "--quiet", str(author.parent / "origin.git"), "second")
    repository.name_author(folder / "second")
    dvc(folder / "second", remote, "pull")
    return folder / "second"


def check_nothing_to_do(folder: Path, remote: Storage) -> None:
    """All outputs are complete and belong to the code and parameters."""
    assert "Running stage" not in dvc(folder, remote, "repro", "--dry")
    assert dvc(folder, remote, "status") == "Data and pipelines are up to date.\n"
    assert call(folder, "git", "status", "--porcelain") == ""


def test_a_second_clone_pulls_and_has_nothing_to_do(author: Path, shared: Storage, tmp_path: Path) -> None:
    """Data and models from the remote are identical, and no stage has to run."""
    clone = second(author, tmp_path, shared)
    check_nothing_to_do(clone, shared)
    for file in ("data/submission.csv", "data/model/fold_0/saved_model.pb", "data/prepared/images.npy"):
        assert (clone / file).read_bytes() == (author / file).read_bytes()
    printed = dvc(clone, shared, "status", "--cloud")
    assert printed == f"Cache and remote '{shared.name}' are in sync.\n"
    (clone / "params.yaml").write_text((clone / "params.yaml").read_text().replace("seed: 42", "seed: 43"))
    assert "Running stage 'train'" in dvc(clone, shared, "repro", "--dry")


def test_an_experiment_is_pushed_and_pulled(author: Path, shared: Storage, tmp_path: Path) -> None:
    """After `dvc exp push` and `dvc exp pull` another clone has the same submission and metrics, and nothing to run."""
    name = f"plain-{shared.name}"
    dvc(author, shared, "exp", "run", "-n", name, *setting("postprocess.enabled=false"))
    expected = (author / "data/submission.csv").read_bytes()
    call(author, "git", "checkout", "--force", "--quiet", ".")
    dvc(author, shared, "checkout")
    assert (author / "data/submission.csv").read_bytes() != expected
    dvc(author, shared, "exp", "push", "origin", name)

    clone = second(author, tmp_path, shared)
    assert name in dvc(clone, shared, "exp", "list", "origin")
    assert name not in dvc(clone, shared, "exp", "list")
    dvc(clone, shared, "exp", "pull", "origin", name)
    dvc(clone, shared, "exp", "apply", name)
    assert (clone / "data/submission.csv").read_bytes() == expected
    assert result(clone, name) == result(author, name)
    repository.commit(clone, name)
    check_nothing_to_do(clone, shared)


@pytest.mark.parametrize("shared", ["s3"], indirect=True)  # a folder needs no keys
def test_keys_are_taken_from_the_environment(author: Path, shared: Storage, tmp_path: Path) -> None:
    """Without them DVC cannot reach an S3 remote, and no file of the repository contains them."""
    call(tmp_path, "git", "clone", "--quiet", str(author.parent / "origin.git"), "second")
    printed = dvc(tmp_path / "second", shared, "pull", succeeds=False, keys=False)
    assert "credentials" in printed.lower()
    for folder in (author, tmp_path / "second"):
        for key in storage.KEYS.values():
            found = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", key, ".dvc", ".git"]
            assert subprocess.run(found, cwd=folder, capture_output=True, check=False).stdout == b""
            here = ("HEAD", "--", ":!tests")  # which contain the made-up keys
            assert call(folder, "git", "grep", key, *here, succeeds=False) == ""


def result(folder: Path, name: str) -> str:
    """Hashes of all data, models and metrics of an experiment: dvc.lock and metrics/ as stored in git."""
    listed = call(folder, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    (reference,) = [line for line in listed if line.endswith(f"/{name}")]
    return call(folder, "git", "ls-tree", "-r", reference, "--", "dvc.lock", "metrics")


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two trainings side by side need two cores")
def test_two_at_a_time_give_what_one_after_the_other_gives(author: Path, tmp_path: Path) -> None:
    """`dvc queue start -j 2` runs two trainings at once; all results equal those of two runs in another clone."""
    remote = Storage("apart", str(tmp_path / "store"))
    publish(author, remote)
    for name, parameter in VARIANTS.items():
        call(author, "dvc", "exp", "run", "--queue", "-n", name, *setting(parameter))
    # Into a file: the workers outlive this command and would hold a pipe open until they finish.
    call(author, "sh", "-c", "dvc queue start -j 2 > .git/queue.log 2>&1")
    most = 0  # at the same time
    for _ in range(1800):
        status = call(author, "dvc", "queue", "status")
        most = max(most, status.count("Running"))
        if "Queued" not in status and "Running" not in status:
            break
        time.sleep(1)
    assert status.count("Success") == 2, status
    assert most == 2, "they ran one after the other"

    clone = second(author, tmp_path, remote)  # its cache has the first run but not the two variants
    for name, parameter in VARIANTS.items():
        printed = call(clone, "dvc", "exp", "run", "-n", name, *setting(parameter))
        assert "Running stage 'train'" in printed
        call(clone, "git", "checkout", "--force", "--quiet", ".")
        assert result(clone, name) == result(author, name)
    assert result(author, "low") != result(author, "high")
