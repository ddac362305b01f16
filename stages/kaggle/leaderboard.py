"""Leaderboard scores kept with the experiment that was sent, in git, whatever the workspace has become meanwhile."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class Sent:
    """What was sent.

    Attributes:
        name: of the experiment that carries its score.
        revision: the commit that holds its parameters, dvc.lock and metrics.
    """

    name: str
    revision: str


def find(repo: Any, fallback: str) -> Sent:
    """The experiment at hand: the one whose dvc.lock is that of the workspace, or the commit; else it is saved as one.

    Args:
        repo: DVC's repository.
        fallback: name of the experiment, if it is none yet.

    Raises:
        UserError: it cannot be saved.
    """
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    lock = Path("dvc.lock").read_bytes()
    for experiments in repo.experiments.ls().values():
        for name, revision in experiments:
            if _read(repo, revision, "dvc.lock") == lock:
                return Sent(str(name), str(revision))
    head = repo.scm.get_rev()
    if _read(repo, head, "dvc.lock") == lock:
        return Sent(fallback, head)
    try:
        return Sent(fallback, repo.experiments.save(name=fallback, force=True))
    except (DvcException, SCMError) as error:
        raise UserError(f"expected a state that can be kept with its score, found: {error}: run dvc repro") from None


def attach(sent: Sent, path: Path, metrics: dict[str, Any]) -> None:
    """Add a file to an experiment: a commit of the same tree and parent, with the file, in the experiment's place.

    The workspace and git's index are left alone.
    """
    parents = _git("rev-list", "--parents", "-n", "1", sent.revision).split()[1:]
    described = _git("log", "-1", "--format=%an%n%ae%n%aI%n%s", sent.revision).splitlines()
    existing = _git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{sent.name}").split()
    with tempfile.TemporaryDirectory() as scratch:
        blob = _git("hash-object", "-w", "--stdin", text=json.dumps(metrics, indent=2, sort_keys=True) + "\n")
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        _git("read-tree", sent.revision, **index)
        _git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path.as_posix()}", **index)
        tree = _git("write-tree", **index)
    name, mail, date, subject = described
    people = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", mail), ("DATE", date))
    }
    baseline = parents if existing else [sent.revision]  # of a plain commit, its experiment stands on it
    commit = _git(
        "commit-tree", tree, *(word for parent in baseline for word in ("-p", parent)), text=subject, **people
    )
    reference = existing[0] if existing else f"refs/exps/{baseline[0][:2]}/{baseline[0][2:]}/{sent.name}"
    _git("update-ref", reference, commit)


def _read(repo: Any, revision: str, path: str) -> bytes | None:
    try:
        with repo.scm.get_fs(revision).open(path, "rb") as file:
            return bytes(file.read())
    except OSError:
        return None


def _git(*words: str, text: str | None = None, **environment: str) -> str:
    result = subprocess.run(  # noqa: S603
        ["git", *words],  # noqa: S607
        input=text, env=os.environ | environment, text=True, capture_output=True,
    )  # fmt: skip
    if result.returncode:
        raise UserError(f"git {words[0]}: expected success, found: {result.stderr.strip()}")
    return result.stdout.strip()
