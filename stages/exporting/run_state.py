"""Whether the run at hand may be exported: it is the one that dvc.lock records, of the current parameters and code."""

from pathlib import Path
from typing import Any

from stages.pipeline import paths, recorded
from stages.pipeline.cli import UserError

# What an export is made of.
ARTIFACTS = (
    paths.MODEL, paths.RULES, paths.INFER_METRICS, paths.DOWNLOAD_METRICS, paths.EVALUATION_METRICS, paths.IMAGES_TABLE,
)  # fmt: skip
STAGES = ("evaluate", "predict")  # whose masks the export makes, and whose figures its card names


def check(artifacts: tuple[Path, ...] = ARTIFACTS) -> None:
    """See that these outputs of stages are those that dvc.lock records.

    Raises:
        UserError: one is not recorded, missing, or another one.
    """
    for path in artifacts:
        recorded.check(path)


def revision() -> str:
    """The commit of the run in words, after a check that it is up to date.

    Raises:
        UserError: parameters, data or code have changed since, or this is no project of DVC.
    """
    import dvc.repo  # takes a second
    from dvc.exceptions import NotDvcRepoError
    from dvc.scm import SCMError as DvcSCMError
    from scmrepo.exceptions import SCMError
    from scmrepo.noscm import NoSCM

    try:
        repo: Any = dvc.repo.Repo()
    except NotDvcRepoError:
        raise UserError("expected to run in the project's folder, found no .dvc here") from None
    with repo:
        refuse_stale(repo)
        try:
            if isinstance(repo.scm, NoSCM):
                return "a folder without git"
            changed = ", with changes that are not committed," if repo.scm.is_dirty() else ""
            return f"revision `{repo.scm.get_rev()}`{changed}"
        except (SCMError, DvcSCMError):
            return "a git repository without a commit"


def refuse_stale(repo: Any) -> None:
    """Raise a `UserError` unless `STAGES`, and what they depend on, ran with the current parameters, data and code."""
    from dvc.exceptions import DvcException

    try:
        changed = sorted(repo.status(targets=list(STAGES), with_deps=True))
    except DvcException as error:  # such as the lock of a dvc that runs
        raise UserError(f"dvc status: expected to learn what has changed, found: {error}") from None
    if changed:
        raise UserError(
            f"{paths.MODEL}: expected a run with the current parameters, data and code, found changes in "
            f"{', '.join(changed)} (dvc status lists them): run dvc repro"
        )
