"""Networks of other experiments, copied from DVC's cache: to predict together with those of this one, or to label."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.inference import ensemble
from stages.pipeline import git_place, paths
from stages.pipeline.cli import UserError


def bring_networks(revision: str, folder: Path, name: str, data: dict[str, Any]) -> list[ensemble.EnsembleMember]:
    """Copy the networks of an experiment.

    Args:
        revision: name of an experiment, branch, tag or commit.
        folder: where the networks of this experiment are.
        name: of the folder inside it, which must not exist.
        data: summary of the prepared data here. Theirs must be the same, so that no network was trained on a fold on
            which another is scored.

    Returns:
        The copied networks, without those that the other experiment had copied itself.

    Raises:
        UserError: there is no such revision, its networks are not in DVC's cache, or its data or folds differ.
    """
    found = fetch(revision, folder / name, data, f"params.yaml: train: blend: {revision}")
    print(f"train: {len(found.members)} network(s) of {revision} added", flush=True)
    return [replace(member, folder=f"{name}/{member.folder}") for member in found.members]


def fetch(revision: str, target: Path, data: dict[str, Any], where: str) -> ensemble.Ensemble:
    """Copy the networks of an experiment into a folder that does not exist; see `bring_networks`.

    Args:
        revision, data: as of `bring_networks`.
        target: the folder.
        where: names the parameter in messages.

    Returns:
        The ensemble of the copied networks, with the checksums of their files. Its ensemble.json is not copied.

    Raises:
        UserError: as of `bring_networks`.
    """
    from dvc.api import DVCFileSystem  # takes a second to import

    try:
        # This reads only what DVC has stored, and none of the revision's code.
        model = git_place.in_repository(paths.MODEL)
        larger = model != paths.MODEL.as_posix()  # then DVC has to look for its own project in the revision
        DVCFileSystem(rev=revision, subrepos=larger).get(model, str(target), recursive=True)
    except Exception as error:  # noqa: BLE001  (DVC's, Git's and the remote's errors are of many kinds)
        raise UserError(
            f"{where}: expected an experiment or commit with {paths.MODEL} in DVC's cache (dvc exp show lists "
            f"experiments; dvc pull or dvc exp pull fetches), found none: {error}"
        ) from None
    found = ensemble.read(target)
    if found.data != data:
        raise UserError(
            f"{where}: expected networks of the same images, masks, classes and folds, found others: a network that "
            "is scored on images it was trained on would look better than it is"
        )
    own = [member for member in found.members if not member.folder.startswith("blend_")]
    for item in target.iterdir():  # its ensemble.json, and networks that it had copied
        if item.is_file():
            item.unlink()
        elif item.name not in {member.folder for member in own}:
            shutil.rmtree(item)
    return replace(found, members=own)
