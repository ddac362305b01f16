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


def revision() -> str | None:
    """The commit of the run, after a check that it is up to date; None without git.

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
            return None if isinstance(repo.scm, NoSCM) else str(repo.scm.get_rev())
        except (SCMError, DvcSCMError):
            return None


def refuse_stale(repo: Any) -> None:
    """Raise a `UserError` unless `STAGES`, and what they depend on, ran with the current parameters, data and code."""
    changed = sorted(repo.status(targets=list(STAGES), with_deps=True))
    if changed:
        raise UserError(
            f"{paths.MODEL}: expected a run with the current parameters, data and code, found changes in "
            f"{', '.join(changed)} (dvc status lists them): run dvc repro"
        )
