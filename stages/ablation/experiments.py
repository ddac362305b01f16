"""Experiments with other parameters, run by DVC in copies of the repository.

`dvc exp run --temp` changes nothing in the workspace. A stage that has run before with the same parameters, code and
data comes from DVC's run cache, so an interrupted experiment continues with the stage that it was in. Experiments stay
in git, where `dvc exp show` lists them, until `dvc exp remove` deletes them.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.pipeline import yaml_files
from stages.pipeline.cli import UserError


def run(name: str, changes: dict[str, Any], targets: Sequence[str] = ()) -> None:
    """Run an experiment on the workspace's code and params.yaml; DVC's output is shown.

    Args:
        name: of the experiment. An earlier one of that name is replaced once this one is done.
        changes: value by parameter, such as {"train.loss": "cce"}.
        targets: the stages to run, with all that they depend on; none: all stages.

    Raises:
        UserError: the experiment failed, or DVC cannot run any here.
    """
    _refuse_cache_path()
    words = [word for key, value in changes.items() for word in ("--set-param", f"{key}={_override(value)}")]
    new = f"{name}-new"
    _dvc("exp", "remove", "--quiet", new, may_fail=True)
    _dvc("exp", "run", "--temp", "--name", new, *words, *targets)
    _dvc("exp", "remove", "--quiet", name, may_fail=True)
    _dvc("exp", "rename", new, name)


def differences(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The parameters that differ, or are missing in `found`, with the value that is wanted.

    >>> differences({"train": {"loss": "cce", "epochs": 3}}, {"train": {"loss": "dice", "epochs": 3}})
    {'train.loss': 'cce'}
    """
    have = flat(found)
    return {name: value for name, value in flat(wanted).items() if name not in have or have[name] != value}


def revision(name: str) -> str | None:
    """The commit of the newest experiment of that name; None if there is none."""
    words = ("--sort=-committerdate", "--count=1", "--format=%(objectname)", f"refs/exps/*/*/{name}")
    return _git("for-each-ref", *words).strip() or None


def read(revision: str, path: Path) -> str:
    """The text of a file as it is in a commit.

    Raises:
        UserError: there is no such commit, or no such file in it.
    """
    return _git("show", f"{revision}:./{path.as_posix()}")


def parameters(revision: str, path: Path) -> dict[str, Any]:
    """The content of a params.yaml as it is in a commit; a `UserError` if there is none."""
    return mapping(read(revision, path), f"{revision}:{path}")


def mapping(text: str, where: str) -> dict[str, Any]:
    """Read YAML that must be a mapping; `where` names it in messages."""
    content = yaml_files.parsed(text, where)
    if not isinstance(content, dict):
        raise UserError(f"{where}: expected a mapping of keys to values, found {content!r}")
    return content


def same_files(revision: str, files: Sequence[str]) -> bool:
    """Whether files and folders, as far as git tracks them, are in the workspace as they are in a commit."""
    command = ["git", "diff", "--quiet", revision, "--", *files]
    return subprocess.run(command, capture_output=True).returncode == 0  # noqa: S603


def flat(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Values by their dotted names.

    >>> flat({"seed": 1, "train": {"loss": "cce"}})
    {'seed': 1, 'train.loss': 'cce'}
    """
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return found


def _override(value: Any) -> str:
    """A value as --set-param reads it; strings in quotes, since a path may hold any character."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _refuse_cache_path() -> None:
    """DVC writes the path of its cache as ASCII into the copies of the repository, and fails where it cannot."""
    words = ["dvc", "cache", "dir"]
    path = subprocess.run(words, text=True, capture_output=True, encoding="utf-8").stdout.strip()  # noqa: S603
    if not path.isascii():
        raise UserError(
            f"{path}: expected only ASCII characters in the path of DVC's cache, since DVC cannot run experiments in "
            "copies otherwise: move that folder, or start an empty one, and run "
            "dvc cache dir --local /path/of/ascii/characters"
        )


def _git(*words: str) -> str:
    result = subprocess.run(["git", *words], text=True, capture_output=True)  # noqa: S603, S607
    if result.returncode:
        raise UserError(f"git {words[0]} {words[-1]}: expected success, found: {result.stderr.strip()}")
    return result.stdout


def _dvc(*words: str, may_fail: bool = False) -> None:
    result = subprocess.run(["dvc", *words], capture_output=may_fail)  # noqa: S603, S607
    if result.returncode and not may_fail:
        raise UserError(f"dvc {words[0]} {words[1]}: expected success, found a failure: see its output above")
