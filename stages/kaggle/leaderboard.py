"""Leaderboard scores in metrics/leaderboard.csv: one row per submission, in git.

A row names the revision that was sent, so it stays true whatever the workspace has become by the time the score
arrives. The table is no output of a stage; `dvc plots` draws it.
"""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stages.pipeline import outputs
from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class Sent:
    """What was sent.

    Attributes:
        experiment: its name; of a plain commit the branch, or HEAD if no branch is checked out.
        revision: the commit that holds its parameters, dvc.lock and metrics.
    """

    experiment: str
    revision: str


@dataclass(frozen=True)
class Submission:
    """One submission.

    Attributes:
        time: when its score arrived, in ISO 8601, UTC.
        experiment, revision: as in `Sent`.
        message: the description that Kaggle shows.
        public_score, private_score: empty where Kaggle gives none.
        reference: Kaggle's number of the submission.
        sha256: of data/submission.csv; of a notebook, of all files in data/kernel.
    """

    time: str
    experiment: str
    revision: str
    message: str
    public_score: str
    private_score: str
    reference: str
    sha256: str


COLUMNS = [field.name for field in fields(Submission)]


def find(repo: Any, fallback: str) -> Sent:
    """Find the revision that holds what the workspace is about to send, by comparing dvc.lock.

    It is the experiment whose dvc.lock equals that of the workspace; else the commit that is checked out, if its
    dvc.lock does; else the workspace is saved as a new experiment, as `dvc exp save` does.

    Args:
        repo: DVC's repository.
        fallback: the name of that new experiment.

    Raises:
        UserError: the workspace cannot be saved.
    """
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    lock = Path("dvc.lock").read_bytes()
    for experiments in repo.experiments.ls().values():
        for name, revision in experiments:
            if _read(repo, revision, "dvc.lock") == lock:
                return Sent(str(name), str(revision))
    head = repo.scm.get_rev()
    if _read(repo, head, "dvc.lock") == lock:
        return Sent(_branch(repo), str(head))
    try:
        return Sent(fallback, str(repo.experiments.save(name=fallback, force=True)))
    except (DvcException, SCMError) as error:
        raise UserError(
            f"the workspace could not be saved as an experiment, to record its score with: {error}: run dvc repro"
        ) from None


def read(path: Path) -> list[Submission]:
    """Read the table; no rows if there is none yet.

    Raises:
        UserError: the file has other columns, a row with missing or extra cells, or is no text.
    """
    if not path.is_file():
        return []
    advice = "restore the file from git, or move it away"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected CSV in UTF-8, found: {error}: {advice}") from None
    if header != COLUMNS:
        found = ", ".join(header) or "none"
        raise UserError(f"{path}: expected the columns {', '.join(COLUMNS)}, found {found}: {advice}")
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(COLUMNS):
            raise UserError(f"{path}, row {number}: expected {len(COLUMNS)} cells, found {len(cells)}: {advice}")
    return [Submission(*map(outputs.unescaped, cells)) for cells in rows]


def record(path: Path, row: Submission) -> None:
    """Append a row to the table, or replace the row of the same reference; the file is replaced as a whole."""
    rows = [other for other in read(path) if other.reference != row.reference]
    outputs.write_table(path, COLUMNS, [list(asdict(each).values()) for each in [*rows, row]])


def _branch(repo: Any) -> str:
    from scmrepo.exceptions import SCMError

    try:
        return str(repo.scm.active_branch())
    except SCMError:  # no branch is checked out
        return "HEAD"


def _read(repo: Any, revision: str, path: str) -> bytes | None:
    try:
        with repo.scm.get_fs(revision).open(path, "rb") as file:
            return bytes(file.read())
    except OSError:
        return None
