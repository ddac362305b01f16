"""Networks of other experiments, brought from DVC's cache to predict beside this one's."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.inference import ensemble
from stages.pipeline import paths
from stages.pipeline.cli import UserError


def bring_networks(revision: str, folder: Path, name: str, data: dict[str, Any]) -> list[ensemble.EnsembleMember]:
    """Copy the networks of an experiment.

    Args:
        revision: name of an experiment, branch, tag or commit.
        folder: where the networks of this experiment are.
        name: of the folder inside it, which must not exist.
        data: summary of the prepared data here; theirs must be the same, so that no network has seen a fold by which
            another is judged.

    Returns:
        The networks copied. Those that the other experiment had brought itself are left behind.

    Raises:
        UserError: no such revision, its networks are in no cache at hand, or it is of other data or folds.
    """
    from dvc.api import DVCFileSystem  # takes a second to import

    target = folder / name
    where = f"params.yaml: train: blend: {revision}"
    try:
        # Not through the revision's own parameters: only what DVC has stored.
        DVCFileSystem(rev=revision).get(paths.MODEL.as_posix(), str(target), recursive=True)
    except Exception as error:  # noqa: BLE001  (of many kinds: DVC's, Git's, the remote's)
        raise UserError(
            f"{where}: expected an experiment or commit with {paths.MODEL} in DVC's cache (dvc exp show lists "
            f"experiments; dvc pull or dvc exp pull fetches), found none: {error}"
        ) from None
    found = ensemble.read(target)
    if found.data != data:
        raise UserError(
            f"{where}: expected networks of the same images, masks, classes and folds, found others: a network that "
            "has seen what it is judged by would look better than it is"
        )
    own = [member for member in found.members if not member.folder.startswith("blend_")]
    for entry in target.iterdir():  # notes that would be taken for this experiment's, and what others brought there
        if entry.is_file():
            entry.unlink()
        elif entry.name not in {member.folder for member in own}:
            shutil.rmtree(entry)
    print(f"train: {len(own)} network(s) of {revision} join", flush=True)
    return [replace(member, folder=f"{name}/{member.folder}") for member in own]
