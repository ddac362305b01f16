"""Files as they are in an experiment of DVC, in any revision of git, or in the workspace."""

from pathlib import Path

from stages.pipeline import git_place
from stages.pipeline.cli import UserError

WORKSPACE = "workspace"


def read(name: str, path: Path) -> str:
    """The text of a file.

    Args:
        name: of an experiment, branch, tag or commit, or `WORKSPACE`.
        path: in git, or in DVC's cache or remote, relative to this folder.

    Raises:
        UserError: there is no such revision, or no such file in it.
    """
    if not name:
        raise UserError("expected the name of an experiment, found an empty one")
    if name == WORKSPACE:
        if not path.is_file():
            raise UserError(f"{name}: expected {path}, found none: run dvc repro")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{name}: {path}: expected text in UTF-8, found: {error}: run dvc repro") from None
    import dvc.api  # the import takes a second
    from dvc.exceptions import DvcException
    from dvc.scm import RevError
    from scmrepo.exceptions import SCMError

    try:
        content: str = dvc.api.read(git_place.in_repository(path), rev=name)
    except RevError:
        raise UserError(
            f"expected the name of an experiment (dvc exp show lists them), a commit or 'workspace', found {name!r}"
        ) from None
    except (DvcException, SCMError, OSError, AttributeError) as error:  # AttributeError: a tag on a file
        raise UserError(f"{name}: expected {path} among its metrics, found none ({error})") from None
    return content
