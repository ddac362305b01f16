"""How long networks took to train, for `python -m stages experiments`.

Outputs of a stage are the same bytes each time, so no time can stand in them. Each network's seconds stand beside its
state in data/state, and a finished run's seconds in DVC's cache on this machine, where the experiments that ran in
copies of the repository are found too. Nobody else's times come with `dvc pull`.
"""

import hashlib
import json
import math
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FILE = "seconds.txt"  # in the folder of a network's state
FOLDER = "training_seconds"  # in DVC's cache


class Stopwatch:
    """Adds the time that passes to what an earlier, killed training of the same network took.

    Args:
        state: the folder of the network's state. If it is there without a time, the time stays unknown.
    """

    def __init__(self, state: Path) -> None:
        self._file, self._last = state / FILE, time.monotonic()
        self._known = self._file.is_file() or not state.exists()
        if self._known:
            self.lap()

    def lap(self) -> None:
        """Note the time since the last lap, or since the start."""
        now = time.monotonic()
        if self._known:
            _write(self._file, _seconds([self._file]) or 0, now - self._last)
        self._last = now


def read(states: Iterable[Path]) -> float | None:
    """Seconds of all these networks together, by the folders of their states; None if one is not known."""
    return _seconds(state / FILE for state in states)


def keep(metrics: dict[str, Any], seconds: float | None) -> None:
    """Keep the seconds of the training that gave these metrics, the content of metrics/train.json.

    Where there is no repository of DVC, or its cache cannot be written, the time is not kept.
    """
    cache = _cache()
    if cache is None or seconds is None:
        return
    try:
        _write(_file(cache, metrics), 0, seconds)
    except OSError:
        return


def kept(runs: list[dict[str, Any]]) -> list[float | None]:
    """The seconds of the trainings that gave these metrics; None where it did not run on this machine."""
    cache = _cache()
    return [None if cache is None else _seconds([_file(cache, metrics)]) for metrics in runs]


def _seconds(files: Iterable[Path]) -> float | None:
    try:
        found = [float(file.read_text(encoding="utf-8")) for file in files]
    except (OSError, ValueError):
        return None
    return sum(found) if all(0 <= seconds < math.inf for seconds in found) else None


def _write(file: Path, before: float, more: float) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(f"{before + more:.1f}\n", encoding="utf-8")
    os.replace(partial, file)


def _file(cache: Path, metrics: dict[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(metrics, sort_keys=True).encode()).hexdigest()
    return cache / FOLDER / f"{digest}.txt"


def _cache() -> Path | None:
    """The folder of DVC's cache; in the copy of an experiment, that of the repository itself."""
    from dvc.exceptions import DvcException  # DVC takes a second to import
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            return Path(repo.cache.local_cache_dir)
    except DvcException:
        return None
