"""`dvc repro --force` trains again, although finished networks are kept in data/state.

DVC does not pass `--force` on to a stage. But unless it is forced, DVC runs a stage only if its command, parameters or
dependencies differ from those that dvc.lock records. (If only an output is missing, DVC restores it from its cache.) So
a training that DVC runs although dvc.lock records exactly the present state was forced, and its networks start over.

A forced training that was killed continues when it is forced again: data/state/forced.json lists the networks that have
started over already. It is removed when a training ends. An unfinished training always continues.

Limits: after a change DVC runs the stage with and without `--force`, and a stage cannot distinguish the two: a network
that the change does not affect (a comment, say) is then taken from data/state. Run `dvc repro` and then
`dvc repro --force`. An output that was deleted and is not in DVC's cache either is trained again. A stage that is
started by hand, without DVC, is never forced.
"""

import json
import os
import shutil
from pathlib import Path

from stages.pipeline import paths

RECORD = paths.TRAIN_STATE / "forced.json"


def is_forced() -> bool:
    """Whether DVC runs this stage although nothing differs from dvc.lock."""
    address = os.environ.get("DVC_STAGE")  # DVC sets it: "train", or "folder/dvc.yaml:train"
    if not address:
        return False
    from dvc.exceptions import DvcException  # DVC takes a second to import
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            stage = repo.stage.load_one(str(Path("dvc.yaml").resolve()), address.rpartition(":")[2])
            return not stage.cmd_changed and not any(dep.status() for dep in stage.deps)
    except DvcException:
        return False


class StartingOver:
    """Removes each finished network once before it is used, if the run was forced."""

    def __init__(self, forced: bool) -> None:
        self.forced = forced
        self._done = _trained() if forced else []
        if self._done:
            print("train: forced, since nothing differs from dvc.lock: continues after it was killed", flush=True)

    def prepare(self, state: Path, finished: str) -> None:
        """Remove the state of one network if it is that of an earlier run.

        Args:
            state: folder of the network's training.
            finished: name of the file that a finished training has there.
        """
        name = state.relative_to(paths.TRAIN_STATE).as_posix()
        if not self.forced or name in self._done:
            return
        if (state / finished).exists():
            print("train: forced, since nothing differs from dvc.lock: a finished network is trained again", flush=True)
            (state / finished).unlink()  # first: without it the rest is no network
            shutil.rmtree(state)
        self._done.append(name)
        partial = RECORD.with_name(f".{RECORD.name}.partial")
        partial.write_text(json.dumps(self._done), encoding="utf-8")
        os.replace(partial, RECORD)

    def finish(self) -> None:
        """Forget the run: the next forced one starts over again."""
        RECORD.unlink(missing_ok=True)


def _trained() -> list[str]:
    """The networks that a forced run has trained before it was killed; none if their list is missing or damaged."""
    try:
        found = json.loads(RECORD.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return []
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []
