"""Experiments with other values of one parameter, from the committed params.yaml, whatever the workspace's says.

They run in copies of the repository (`dvc exp run --temp`): nothing in the workspace changes, and what has been run
before comes from the run cache.
"""

import json
import subprocess
from typing import Any

from stages.pipeline import paths, yaml_files
from stages.pipeline.cli import UserError

PREFIX = "compare-"


def run(key: str, values: list[str]) -> list[str]:
    """Run one experiment a value, one after the other.

    Args:
        key: of params.yaml, such as "train.loss".
        values: what to set it to.

    Returns:
        Names of the experiments: `compare-VALUE`. An earlier one of that name is replaced once its successor is done.

    Raises:
        UserError: there is no commit to start from, or an experiment failed.
    """
    back = [f"{name}={_written(value)}" for name, value in changed(_committed(), _workspace()).items() if name != key]
    names = []
    for value in values:
        name = f"{PREFIX}{value}"
        _dvc("exp", "remove", "--quiet", f"{name}-new", fails=True)
        changes = [word for change in (*back, f"{key}={value}") for word in ("--set-param", change)]
        _dvc("exp", "run", "--temp", "--name", f"{name}-new", *changes)
        _dvc("exp", "remove", "--quiet", name, fails=True)
        _dvc("exp", "rename", f"{name}-new", name)
        names.append(name)
    return names


def changed(wanted: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The parameters that differ, or are missing in `found`, with the value that is wanted.

    >>> changed({"train": {"loss": "cce", "epochs": 3}}, {"train": {"loss": "dice", "epochs": 3}})
    {'train.loss': 'cce'}
    """
    have = _flat(found)
    return {name: value for name, value in _flat(wanted).items() if name not in have or have[name] != value}


def _flat(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat


def _written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _committed() -> dict[str, Any]:
    command = ["git", "show", f"HEAD:./{paths.PARAMS}"]
    result = subprocess.run(command, text=True, capture_output=True)  # noqa: S603
    if result.returncode:
        raise UserError(f"expected a committed {paths.PARAMS} to start from, found none ({result.stderr.strip()})")
    return _mapping(result.stdout, f"HEAD:{paths.PARAMS}")


def _workspace() -> dict[str, Any]:
    return _mapping(paths.PARAMS.read_text(encoding="utf-8"), str(paths.PARAMS))


def _mapping(text: str, where: str) -> dict[str, Any]:
    content = yaml_files.parsed(text, where)
    if not isinstance(content, dict):
        raise UserError(f"{where}: expected a mapping of keys to values, found {content!r}")
    return content


def _dvc(*words: str, fails: bool = False) -> None:
    result = subprocess.run(["dvc", *words], capture_output=fails)  # noqa: S603, S607
    if result.returncode and not fails:
        raise UserError(f"expected the experiment to end well, found that dvc {words[0]} {words[1]} did not: see above")
