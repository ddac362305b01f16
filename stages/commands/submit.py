"""Send data/submission.csv to Kaggle, wait for its score, and record it in metrics/leaderboard.csv.

    python -m stages submit -m "cce_dice, one fold"
    python -m stages submit -m "…" --dry-run        # checks everything, sends nothing
    python -m stages submit -m "…" --kernel         # for competitions that take submissions from notebooks only

The file is checked first: its form, its run lengths, and that it was made from the current parameters, data and code.
The score becomes a row of metrics/leaderboard.csv, with the experiment and the revision that were sent: commit it. If
the command is interrupted while it waits, the same command waits again and does not send twice.
"""

import argparse
import hashlib
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.dataset import images, submission
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.kaggle import leaderboard, notebook_submission
from stages.kaggle.client import Client, NotebooksOnlyError
from stages.kaggle.journal import Journal
from stages.pipeline import paths, settings
from stages.pipeline.cli import UserError


def submit(given: argparse.Namespace) -> None:
    """Check the submission, send it, wait for the score and record it.

    Args:
        given: the command's options, see `add_arguments`.

    Raises:
        UserError: the submission is invalid, stale or empty, none is left today, or Kaggle refuses it.
    """
    options = settings.load()
    contents = check(options, given.empty)
    leaderboard.read(paths.LEADERBOARD)  # a damaged table is reported before anything is sent
    repo = _repo()
    refuse_stale(repo, "kernel" if given.kernel else "predict")
    journal = Journal(paths.JOURNAL)
    client = Client(options.competition.slug)
    digest = notebook_submission.key(paths.KERNEL) if given.kernel else _sha256(paths.SUBMISSION)
    key = f"{client.slug} {digest}"
    before = None if given.again else journal.get("submission", key)
    if before and not {"reference", "revision"} <= set(before if isinstance(before, dict) else ()):
        raise UserError(
            f"{paths.JOURNAL}: expected reference and revision of what was sent, found {before!r}: look on Kaggle what "
            "has been sent, then remove the file"
        )
    left = _left(client)
    print(f"submit: {paths.SUBMISSION}: {contents}, SHA-256 {_sha256(paths.SUBMISSION)[:16]}…")
    print(f"submit: to {client.slug}, message {given.message!r}; {left} submission(s) left today")
    if before:
        print(f"submit: already sent, reference {before['reference']}; --again sends it once more")
    if given.dry_run:
        print("submit: --dry-run: nothing was sent")
        return
    if not before:
        if left == 0:
            raise UserError(f"kaggle: {client.slug}: expected a submission left for today, found none")
        sent = leaderboard.find(repo, f"submitted-{digest[:8]}")
        before = _send_and_note(client, given, journal, sent, key)
    try:
        scored = wait_for_score(client, before["reference"], given.poll, given.wait)
    except _UnscoredError:
        journal.forget("submission", key)  # it may be sent again
        raise
    _record(before, scored, digest)


def _send_and_note(
    client: Client, given: argparse.Namespace, journal: Journal, sent: leaderboard.Sent, key: str
) -> dict[str, Any]:
    """Send the submission and note it in the journal, so that it is not sent twice; returns the journal's entry."""
    print(f"submit: from {sent.experiment} ({sent.revision[:7]})", flush=True)
    entry = asdict(sent) | {"reference": _send(client, given, journal), "message": given.message}
    journal.note("submission", key, entry)
    print(f"submit: sent, reference {entry['reference']}", flush=True)
    return entry


def _record(sent: dict[str, Any], scored: Any, digest: str) -> None:
    """Write a scored submission, as the journal has it, into the table."""
    row = leaderboard.Submission(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        experiment=sent.get("experiment") or sent.get("name", ""),  # name: as version 0.1.0 wrote it
        revision=sent["revision"],
        message=sent.get("message", ""),
        public_score=scored.public_score or "",
        private_score=scored.private_score or "",
        reference=str(sent["reference"]),
        sha256=digest,
    )
    leaderboard.record(paths.LEADERBOARD, row)
    print(f"submit: public score {row.public_score or '-'}, private score {row.private_score or '-'}")
    print(f"submit: recorded for {row.experiment} in {paths.LEADERBOARD}: commit it")


def check(options: settings.Settings, empty: bool) -> str:
    """Check the submission against the sample submission; returns how many images and masks it has, in words."""
    for path in (paths.SUBMISSION, paths.SAMPLE_SUBMISSION):
        if not path.is_file():
            raise UserError(f"{path}: expected the file, found none: run dvc repro")
    layout = Layout.of(options.competition)
    sample = submission.template(paths.SAMPLE_SUBMISSION, layout)
    sizes = ImageSizes(paths.TEST_IMAGES, ImageNames(images.listing(paths.TEST_IMAGES)), layout)
    counts = submission.check(paths.SUBMISSION, sample, options.predict.form, sizes.scored)
    if not counts["masks"] and not empty:
        raise UserError(
            f"{paths.SUBMISSION}: expected masks, found none in {counts['images']} images: it would score the "
            "same as predicting nothing; --empty sends it anyway"
        )
    return f"{counts['images']} images, {counts['masks']} masks"


def refuse_stale(repo: Any, stage: str) -> None:
    """Raise a `UserError` unless predict and the stage are up to date with the current parameters, data and code."""
    changed = sorted(repo.status(targets=["predict", stage], with_deps=True))
    if changed:
        raise UserError(
            f"{paths.SUBMISSION}: expected it to be made from the current parameters, data and code, found changes "
            f"in {', '.join(changed)} (dvc status lists them): run dvc repro"
        )


def wait_for_score(client: Client, reference: int, poll: float, wait: float) -> Any:
    """Wait until a submission is scored.

    Returns:
        Kaggle's record of it.

    Raises:
        UserError: Kaggle could not score it, or `wait` seconds have passed.
    """
    start = time.monotonic()
    while True:
        records = client.ask("look at the score", lambda: client.api.competition_submissions(client.slug))
        record = next((record for record in records or [] if record.ref == reference), None)
        status = record.status.name if record else "not listed yet"
        if record and status == "COMPLETE":
            return record
        if record and status == "ERROR":
            raise _UnscoredError(
                f"kaggle: {client.slug}: submission {reference} could not be scored: "
                f"{record.error_description or 'no reason given'}"
            )
        waited = time.monotonic() - start
        if waited > wait:
            raise UserError(
                f"kaggle: {client.slug}: submission {reference} is sent and has no score after {waited:.0f} s "
                f"({status}): run the same command later, which will not send it again, or look at "
                f"https://www.kaggle.com/c/{client.slug}/submissions"
            )
        print(f"submit: {status.lower()}, waiting for the score: {waited:.0f} s", flush=True)
        time.sleep(poll)


class _UnscoredError(UserError):
    """A submission that Kaggle has taken and could not score."""


def _send(client: Client, given: argparse.Namespace, journal: Journal) -> int:
    """Submit the file, or the notebook; returns Kaggle's reference."""
    if given.kernel:
        session = notebook_submission.Session(client, journal, given.poll, given.wait)
        return notebook_submission.submit(session, paths.KERNEL, given.message)
    try:
        answer = client.ask(
            "submit",
            lambda: client.api.competition_submit(str(paths.SUBMISSION), given.message, client.slug, quiet=True),
            once=True,
        )
    except NotebooksOnlyError as error:
        raise UserError(
            f"{error}. This competition accepts no CSV: python -m stages submit --kernel sends the notebook"
        ) from None
    if not answer.ref:  # a failed upload ends in an answer without a reference, not in an error
        raise UserError(f"kaggle: {client.slug}: expected a reference, found {answer.message!r}: nothing was submitted")
    return int(answer.ref)


def _repo() -> Any:
    import dvc.repo  # takes a second
    from dvc.exceptions import NotDvcRepoError
    from dvc.scm import SCMError as DvcSCMError
    from scmrepo.exceptions import SCMError
    from scmrepo.noscm import NoSCM

    try:
        repo = dvc.repo.Repo()
        if isinstance(repo.scm, NoSCM):
            raise UserError("expected a git repository, to record what was sent, found none: git init")
        repo.scm.get_rev()
    except NotDvcRepoError:
        raise UserError("expected to run in the project's folder, found no .dvc here") from None
    except (SCMError, DvcSCMError) as error:
        raise UserError(f"expected a git repository with a commit, found none ({error})") from None
    return repo


def _left(client: Client) -> int:
    limits = client.ask(
        "ask how many submissions are left", lambda: client.api.competition_get_submission_limits(client.slug)
    )
    return int(limits.num_allowed_now)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, found {text}")
    return seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("-m", "--message", required=True, help="the description that Kaggle shows")
    parser.add_argument("--dry-run", action="store_true", help="check everything, and send nothing")
    parser.add_argument("--empty", action="store_true", help="send the submission even if it has no mask at all")
    parser.add_argument("--again", action="store_true", help="send the same submission once more")
    parser.add_argument("--kernel", action="store_true", help="submit the notebook, for competitions that take no CSV")
    parser.add_argument("--poll", type=_seconds, default=15, metavar="SECONDS", help="between two polls (default 15)")
    parser.add_argument(
        "--wait", type=_seconds, default=3600, metavar="SECONDS", help="longest wait for the score (default 3600)"
    )


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    submit(given)
