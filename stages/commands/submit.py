"""Send data/submission.csv to Kaggle, wait for its score, and attach it to the experiment that was sent.

    python -m stages submit -m "cce_dice, one fold"
    python -m stages submit -m "…" --dry-run        # all but the sending
    python -m stages submit -m "…" --kernel         # for competitions that take submissions from notebooks only

The file is checked first: its form, its run lengths, and that it comes from the parameters, data and code at hand. The
score becomes metrics/leaderboard.json of the experiment, which `dvc metrics diff` compares. Broken off while it waits,
the same command waits again and does not send twice.
"""

import argparse
import hashlib
import time
from datetime import UTC, datetime
from typing import Any

from stages.dataset import submission
from stages.dataset.layout import Layout
from stages.kaggle import leaderboard, notebook_submission
from stages.kaggle.client import Client, NotebooksOnlyError
from stages.kaggle.journal import Journal
from stages.pipeline import paths, settings
from stages.pipeline.cli import UserError


def submit(given: argparse.Namespace) -> None:
    """Check, send, wait, and keep the score.

    Args:
        given: the command's options, see `main`.

    Raises:
        UserError: the submission is not valid, stale or empty, there are none left today, or Kaggle refuses it.
    """
    options = settings.load()
    told = check(options, given.empty)
    repo = _repo()
    refuse_stale(repo, "kernel" if given.kernel else "predict")
    journal = Journal(paths.JOURNAL)
    client = Client(options.competition.slug)
    digest = hashlib.sha256(paths.SUBMISSION.read_bytes()).hexdigest()
    contents = notebook_submission.key(paths.KERNEL) if given.kernel else digest
    key = f"{client.slug} {contents}"
    before = None if given.again else journal.get("submission", key)
    left = _left(client)
    print(f"submit: {paths.SUBMISSION}: {told}, SHA-256 {digest[:16]}…")
    print(f"submit: to {client.slug}, as {given.message!r}; {left} submission(s) left today")
    if before:
        print(f"submit: the same was sent before, reference {before['reference']}; --again sends it once more")
    if given.dry_run:
        print("submit: --dry-run: nothing was sent")
        return
    if not before:
        if left == 0:
            raise UserError(f"kaggle: {client.slug}: expected a submission left for today, found none")
        sent = leaderboard.find(repo, f"submitted-{contents[:8]}")
        print(f"submit: of the experiment {sent.name} ({sent.revision[:7]})", flush=True)
        reference = _send(client, given, journal)
        before = {"reference": reference, "name": sent.name, "revision": sent.revision}
        journal.note("submission", key, before)
        print(f"submit: sent, reference {reference}", flush=True)
    try:
        scored = score(client, before["reference"], given.poll, given.wait)
    except _UnscoredError:
        journal.forget("submission", key)  # it may be sent again
        raise
    metrics = {
        "public_score": _number(scored.public_score),
        "private_score": _number(scored.private_score),
        "reference": before["reference"],
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": before["revision"],
        "notebook_sha256" if given.kernel else "submission_sha256": contents,
    }
    leaderboard.attach(leaderboard.Sent(before["name"], before["revision"]), paths.LEADERBOARD_METRICS, metrics)
    print(f"submit: public score {scored.public_score or '-'}, private score {scored.private_score or '-'}")
    print(
        f"submit: kept with the experiment {before['name']}: dvc metrics diff … --targets {paths.LEADERBOARD_METRICS}"
    )


def check(options: settings.Settings, empty: bool) -> str:
    """Hold the submission against the sample; returns what it holds, in words."""
    for path in (paths.SUBMISSION, paths.SAMPLE_SUBMISSION):
        if not path.is_file():
            raise UserError(f"{path}: expected the file, found none: run dvc repro")
    sample = submission.template(paths.SAMPLE_SUBMISSION, Layout.of(options.competition))
    counts = submission.check(paths.SUBMISSION, sample, options.predict.form)
    if not counts["masks"] and not empty:
        raise UserError(
            f"{paths.SUBMISSION}: expected masks, found none in {counts['images']} images: it scores what predicting "
            "nothing scores; --empty sends it all the same"
        )
    return f"{counts['images']} images, {counts['masks']} masks"


def refuse_stale(repo: Any, stage: str) -> None:
    """Raise a `UserError` unless what a stage wrote is what dvc.lock says of the present parameters, data and code."""
    changed = sorted(repo.status(targets=["predict", stage], with_deps=True))
    if changed:
        raise UserError(
            f"{paths.SUBMISSION}: expected it to come from the present parameters, data and code, found changes in "
            f"{', '.join(changed)} (dvc status tells which): run dvc repro"
        )


def score(client: Client, reference: int, poll: float, wait: float) -> Any:
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
                f"({status}): run the same command later, it will not send again, or look at "
                f"https://www.kaggle.com/c/{client.slug}/submissions"
            )
        print(f"submit: {status.lower()}, waiting for the score: {waited:.0f} s", flush=True)
        time.sleep(poll)


class _UnscoredError(UserError):
    """A submission that Kaggle has taken and could not score."""


def _send(client: Client, given: argparse.Namespace, journal: Journal) -> int:
    """Upload the submission, or take the notebook's road; returns Kaggle's reference."""
    if given.kernel:
        return notebook_submission.submit(client, paths.KERNEL, given.message, journal, given.poll, given.wait)
    try:
        answer = client.ask(
            "submit",
            lambda: client.api.competition_submit(str(paths.SUBMISSION), given.message, client.slug, quiet=True),
            once=True,
        )
    except NotebooksOnlyError as error:
        raise UserError(
            f"{error}. A CSV alone is not taken there: python -m stages submit --kernel sends the notebook"
        ) from None
    if not answer.ref:  # a failed upload ends in an answer without a reference, not in an error
        raise UserError(f"kaggle: {client.slug}: expected a reference, found {answer.message!r}: nothing was submitted")
    return int(answer.ref)


def _repo() -> Any:
    import dvc.repo  # takes a second
    from dvc.exceptions import NotDvcRepoError
    from scmrepo.exceptions import SCMError
    from scmrepo.noscm import NoSCM

    try:
        repo = dvc.repo.Repo()
        if isinstance(repo.scm, NoSCM):
            raise UserError("expected a git repository, to keep the score with what was sent, found none: git init")
        repo.scm.get_rev()
    except NotDvcRepoError:
        raise UserError("expected to be started in the project's folder, found no .dvc there") from None
    except SCMError as error:
        raise UserError(f"expected a git repository with a commit, found none ({error})") from None
    return repo


def _left(client: Client) -> int:
    limits = client.ask(
        "ask how many submissions are left", lambda: client.api.competition_get_submission_limits(client.slug)
    )
    return int(limits.num_allowed_now)


def _number(score: str | None) -> float | None:
    return float(score) if score else None


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"expected more than 0 seconds, found {text}")
    return seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("-m", "--message", required=True, help="the description that Kaggle shows")
    parser.add_argument("--dry-run", action="store_true", help="check all, ask what is left today, and send nothing")
    parser.add_argument("--empty", action="store_true", help="send a submission without a single mask too")
    parser.add_argument("--again", action="store_true", help="send what was sent before once more")
    parser.add_argument("--kernel", action="store_true", help="send the notebook, for competitions that take no CSV")
    parser.add_argument("--poll", type=_seconds, default=15, metavar="SECONDS", help="between two looks (default 15)")
    parser.add_argument("--wait", type=_seconds, default=3600, metavar="SECONDS", help="for the score (default 3600)")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    submit(given)
