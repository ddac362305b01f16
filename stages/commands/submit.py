"""Send data/submission.csv to Kaggle, wait for its score, and record it in metrics/leaderboard.csv.

    python -m stages submit -m "cce_dice, one fold"
    python -m stages submit --dry-run               # checks the file, needs no account, sends nothing
    python -m stages submit -m "…" --kernel         # for competitions that take submissions from notebooks only

The file is checked first: its form, its run lengths, that it was made from the current parameters, data and code, and
that it is the one that dvc.lock records. The score becomes a row of metrics/leaderboard.csv, with the experiment and
the revision that were sent: commit it. If the command is interrupted at any moment, the same command goes on and does
not send twice.
"""

import argparse
import shutil
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.dataset import images, sample_submission, submission
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.kaggle import leaderboard, notebook_submission, submissions
from stages.kaggle.answers import NotebooksOnlyError
from stages.kaggle.client import Client
from stages.kaggle.credentials import NoCredentialsError
from stages.kaggle.journal import Journal
from stages.pipeline import hashes, lock, paths, recorded, settings
from stages.pipeline.cli import UserError

LOCK = paths.JOURNAL.with_suffix(".lock")


def submit(given: argparse.Namespace) -> None:
    """Check the submission, send it, wait for the score and record it.

    Args:
        given: the command's options, see `add_arguments`.

    Raises:
        UserError: the submission is invalid, stale, changed or empty, none is left today, Kaggle refuses it, or another
            process is submitting from this folder.
    """
    if given.message is None and not given.dry_run:
        raise UserError('expected a description, which Kaggle shows, found none: submit -m "what is new"')
    options = settings.load()
    contents = check(options, given.empty)
    leaderboard.read(paths.LEADERBOARD)  # a damaged table is reported before anything is sent
    repo = _repo()
    refuse_stale(repo, "kernel" if given.kernel else "predict")
    for path in (paths.SUBMISSION, paths.KERNEL) if given.kernel else (paths.SUBMISSION,):
        recorded.check(path)
    print(f"submit: {paths.SUBMISSION}: {contents}, SHA-256 {hashes.sha256(paths.SUBMISSION)[:16]}…", flush=True)
    digest = notebook_submission.key(paths.KERNEL) if given.kernel else hashes.sha256(paths.SUBMISSION)
    key = f"{options.competition.slug} {digest}"
    if given.dry_run:
        _report(given, options.competition.slug, _sent(Journal(paths.JOURNAL), key))
        print("submit: --dry-run: nothing was sent")
        return
    with lock.held(LOCK, "submit", "then run the same command again, which sends nothing twice"):
        journal = Journal(paths.JOURNAL)
        _sent(journal, key)  # a damaged entry is reported before Kaggle is asked
        client = Client(options.competition.slug)
        settled = submissions.settle(client, journal)
        before = _sent(journal, key) if key in settled or not given.again else None
        left = _left(client)
        print(_summary(given, client.slug, left))
        if before:
            print(f"submit: already sent, reference {before['reference']}; --again sends it once more")
        else:
            if left == 0:
                raise UserError(f"kaggle: {client.slug}: expected a submission left for today, found none")
            sent = leaderboard.find(repo, f"submitted-{digest[:8]}")
            before = _send(client, given, journal, sent, key)
        _wait(client, given, journal, key, before)


def _sent(journal: Journal, key: str) -> dict[str, Any] | None:
    """The journal's entry of what was sent; None if it was not."""
    entry = journal.get(submissions.SENT, key)
    if entry is None:
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("reference"), int) or "revision" not in entry:
        raise UserError(
            f"{paths.JOURNAL}: expected reference and revision of what was sent, found {entry!r}: look on Kaggle what "
            "has been sent, then remove the file"
        )
    return entry


def _summary(given: argparse.Namespace, slug: str, left: int | None) -> str:
    count = "?" if left is None else left
    message = "no message" if given.message is None else f"message {given.message!r}"
    return f"submit: to {slug}, {message}; {count} submission(s) left today"


def _report(given: argparse.Namespace, slug: str, before: dict[str, Any] | None) -> None:
    """Print what would be sent. Only how many submissions are left needs an account; the file is checked already."""
    left = None
    try:
        left = _left(Client(slug))
    except NoCredentialsError:
        print("submit: no credentials: Kaggle is not asked how many submissions are left")
    except UserError as error:
        if given.kernel:
            raise
        print(f"submit: how many submissions are left is not known: {error}")
    print(_summary(given, slug, left))
    if before:
        print(f"submit: already sent, reference {before['reference']}; --again sends it once more")


def _send(
    client: Client, given: argparse.Namespace, journal: Journal, sent: leaderboard.Sent, key: str
) -> dict[str, Any]:
    """Send the file, or the notebook; returns the journal's entry."""
    print(f"submit: from {sent.experiment} ({sent.revision[:7]})", flush=True)
    entry = asdict(sent) | {"message": given.message, "size": None}
    if given.kernel:
        session = notebook_submission.Session(client, journal, given.poll, given.wait)
        what, request = (
            "submit the notebook's output",
            notebook_submission.prepare(session, paths.KERNEL, given.message),
        )
    else:
        what, entry["size"] = "submit", paths.SUBMISSION.stat().st_size

        def request() -> Any:
            with tempfile.TemporaryDirectory() as scratch:  # what is sent is what was checked
                copy = shutil.copyfile(paths.SUBMISSION, Path(scratch) / paths.SUBMISSION.name)
                if hashes.sha256(copy) != key.rpartition(" ")[2]:
                    raise UserError(f"{paths.SUBMISSION}: it was changed after it had been checked: nothing was sent")
                return client.api.competition_submit(str(copy), given.message, client.slug, quiet=True)

    try:
        entry = submissions.send(client, journal, key, entry, what, request)
    except NotebooksOnlyError as error:
        raise UserError(
            f"{error}. This competition accepts no CSV: python -m stages submit --kernel sends the notebook"
        ) from None
    print(f"submit: sent, reference {entry['reference']}", flush=True)
    return entry


def _wait(client: Client, given: argparse.Namespace, journal: Journal, key: str, sent: dict[str, Any]) -> None:
    """Wait for the score of what was sent, as the journal has it, and write it into the table."""
    try:
        scored = submissions.wait_for_score(client, sent["reference"], given.poll, given.wait)
    except submissions.UnscoredError:
        journal.forget(submissions.SENT, key)  # it may be sent again
        raise
    row = leaderboard.Submission(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        experiment=sent.get("experiment") or sent.get("name", ""),  # name: as version 0.1.0 wrote it
        revision=sent["revision"],
        message=sent.get("message", ""),
        public_score=scored.public_score,
        private_score=scored.private_score,
        reference=str(sent["reference"]),
        sha256=key.rpartition(" ")[2],
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
    sample = sample_submission.read(paths.SAMPLE_SUBMISSION, layout)
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
    return client.ask(
        "ask how many submissions are left",
        lambda: int(client.api.competition_get_submission_limits(client.slug).num_allowed_now),
    )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, found {text}")
    return seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("-m", "--message", help="the description that Kaggle shows; only --dry-run does without")
    parser.add_argument(
        "--dry-run", action="store_true", help="check the file, without an account if there is none, and send nothing"
    )
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
