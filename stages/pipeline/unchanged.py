"""What a stage reads must not change while it runs.

DVC records parameters, code and inputs as they are when a stage ends. If one of them is edited meanwhile, dvc.lock
would say that the results come from the edited one, and the run cache would later hand them to whoever asks for it. So
every stage notes at its start what dvc.yaml says it depends on, compares before an output replaces another and at its
end, and fails if something differs.

Code is compared without comments, docstrings and positions; params.yaml by the values of the stage's keys; other files
by size and time.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from stages.pipeline import outputs, paths, source_code, yaml_files
from stages.pipeline.cli import UserError

DVC_YAML = Path("dvc.yaml")
ADVICE = (
    "Nothing was recorded; networks that were trained are kept for the parameters and code that they began with. Run "
    "dvc repro again. One folder, one run: queue further experiments (dvc exp run --queue), or run them in a copy"
)
SHOWN = 5  # changes that are listed

State = tuple[int, int]  # size and time of the last change


class Watch:
    """What a stage depends on, as it is now.

    Args:
        stage: its name in dvc.yaml. A folder without dvc.yaml is watched for its params.yaml alone.
    """

    def __init__(self, stage: str) -> None:
        self.stage = stage
        declared = _declared(stage)
        self.keys = _listed_in(declared, "params")
        self.depends = [Path(dep) for dep in _listed_in(declared, "deps") or [] if isinstance(dep, str)]
        self.params = _text(paths.PARAMS)
        self.files = self._states()
        self.code = {file: _text(file) for file in self.files if file.suffix == ".py"}

    def check(self) -> None:
        """See that all of it is still the same.

        Raises:
            UserError: something has changed; says what.
        """
        of_params, of_files = list(self._of_params()), list(self._of_files())
        if of_params:
            raise UserError(f"{paths.PARAMS} changed while this ran: {_listed(of_params)}. {ADVICE}")
        if of_files:
            raise UserError(f"changed while this ran: {_listed(of_files)}. {ADVICE}")

    def _of_params(self) -> Iterator[str]:
        now = _text(paths.PARAMS)
        if now == self.params:
            return
        before, after = (_values(text, self.keys) for text in (self.params, now))
        if before is None or after is None:
            yield "it cannot be read" if after is None else "it could not be read before"
            return
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                yield f"{key}: {before.get(key)!r} -> {after.get(key)!r}"

    def _of_files(self) -> Iterator[str]:
        now = self._states()
        for file in sorted(self.files.keys() | now.keys()):
            if self.files.get(file) == now.get(file):
                continue
            if file not in now or file not in self.files:
                yield f"{file} ({'removed' if file not in now else 'added'})"
            elif file not in self.code or not source_code.same(self.code[file] or "", _text(file) or ""):
                yield str(file)

    def _states(self) -> dict[Path, State]:
        """Size and time of every file that the stage depends on."""
        found = {}
        for place in self.depends:
            for file in [place] if place.is_file() else _files(place):
                try:
                    status = file.stat()
                except OSError:
                    continue
                found[file] = (status.st_size, status.st_mtime_ns)
        return found


def watch(stage: str) -> Watch:
    """Note what a stage depends on; from now on, no output replaces another if it has changed."""
    watched = Watch(stage)
    outputs.before_replacing.append(watched.check)
    return watched


def _listed(changes: list[str]) -> str:
    more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return f"{', '.join(changes[:SHOWN])}{more}"


def _declared(stage: str) -> dict[str, Any]:
    """The stage's part of dvc.yaml; nothing if there is none."""
    content = yaml_files.read(DVC_YAML, "the stages") if DVC_YAML.is_file() else {}
    for key in ("stages", stage):
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def _listed_in(declared: dict[str, Any], key: str) -> list[Any] | None:
    """A list of the stage; None if it has none."""
    found = declared.get(key)
    return found if isinstance(found, list) else None


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder but compiled Python, in any order."""
    for parent, _, names in os.walk(folder):
        if not parent.endswith("__pycache__"):
            yield from map(partial(Path, parent), names)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _values(text: str | None, keys: list[str] | None) -> dict[str, Any] | None:
    """The values of these keys of params.yaml, or of all, by their dotted names; None if it cannot be read."""
    if text is None:
        return None
    try:
        content = yaml_files.parsed(text, str(paths.PARAMS))
    except UserError:
        return None
    leaves = dict(_leaves(content, ""))
    if keys is None:
        return leaves
    return {name: value for name, value in leaves.items() if any(f"{name}.".startswith(f"{key}.") for key in keys)}


def _leaves(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(content, dict):
        yield name, content
        return
    for key, value in content.items():
        yield from _leaves(value, f"{name}.{key}" if name else str(key))
