"""Send data/submission.csv to Kaggle, wait for its score, and attach it to the experiment that was sent.

    python -m stages.submit -m "cce_dice, one fold"
    python -m stages.submit -m "…" --dry-run        # all but the sending
    python -m stages.submit -m "…" --kernel         # for competitions that take submissions from notebooks only

The file is checked first: its form, its run lengths, and that it comes from the parameters, data and code at hand. The
score goes to metrics/leaderboard.json, which `dvc metrics diff` compares between experiments.
"""

import argparse
import hashlib
import time
from datetime import UTC, datetime
from typing import Any

from stages import command, outputs, paths, settings
from stages.command import UserError
from stages.competition import notebooks, submission
from stages.competition.client import Client, NotebooksOnlyError


def submit(message: str, dry_run: bool, empty: bool, kernel: bool, poll: float, wait: float) -> None:
    """Check, send, wait, and keep the score.

    Args:
        message: the description that Kaggle shows beside the submission.
        dry_run: stop before sending.
        empty: send a submission without a single mask too.
        kernel: send the notebook in data/kernel, and submit what it writes.
        poll: seconds between two looks at the score.
        wait: seconds after which to stop looking; the submission then stays sent.

    Raises:
        UserError: the submission is not valid, stale or empty, there are none left today, or Kaggle refuses it.
    """
    options = settings.load()
    told = check(options, empty)
    repo = _repo()
    refuse_stale(repo, "kernel" if kernel else "predict")
    client = Client(options.competition.slug)
    left = _left(client)
    digest = hashlib.sha256(paths.SUBMISSION.read_bytes()).hexdigest()
    name = experiment(repo)
    print(f"submit: {paths.SUBMISSION}: {told}, SHA-256 {digest[:16]}…")
    print(f"submit: to {options.competition.slug}, as {message!r}; {left} submission(s) left today")
    print(f"submit: of {f'the experiment {name}' if name else f'commit {repo.scm.get_rev()[:7]}'}", flush=True)
    if dry_run:
        print("submit: --dry-run: nothing was sent")
        return
    if left == 0:
        raise UserError(f"kaggle: {options.competition.slug}: expected a submission left for today, found none")
    journal = notebooks.Journal(paths.KERNEL_JOURNAL)
    reference = (
        notebooks.submit(client, paths.KERNEL, message, journal, poll, wait) if kernel else send(client, message)
    )
    print(f"submit: sent, reference {reference}", flush=True)
    scored = score(client, reference, poll, wait)
    outputs.write_metrics(
        paths.LEADERBOARD_METRICS,
        {
            "public_score": _number(scored.public_score),
            "private_score": _number(scored.private_score),
            "reference": reference,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "revision": repo.scm.get_rev(),
            "submission_sha256": digest,
        },
    )
    attached = attach(repo, name or f"submission-{reference}")
    print(f"submit: public score {scored.public_score or '-'}, private score {scored.private_score or '-'}")
    print(f"submit: kept in {paths.LEADERBOARD_METRICS} of the experiment {attached}: dvc metrics diff {attached} …")


def check(options: settings.Settings, empty: bool) -> str:
    """Hold the submission against the sample; returns what it holds, in words."""
    for path in (paths.SUBMISSION, paths.SAMPLE_SUBMISSION):
        if not path.is_file():
            raise UserError(f"{path}: expected the file, found none: run dvc repro")
    competition = options.competition
    classes = len(competition.classes)
    sample = submission.template(paths.SAMPLE_SUBMISSION, classes)
    size = competition.image_height, competition.image_width
    counts = submission.check(paths.SUBMISSION, sample, options.predict.form, classes, *size)
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


def experiment(repo: Any) -> str | None:
    """Name of the experiment whose dvc.lock is the one at hand; None if that is the commit's own, or nobody's."""
    lock = (paths.PARAMS.parent / "dvc.lock").read_bytes()
    for experiments in repo.experiments.ls().values():
        for name, revision in experiments:
            with repo.scm.get_fs(revision).open("dvc.lock", "rb") as file:
                if file.read() == lock:
                    return str(name)
    return None


def send(client: Client, message: str) -> int:
    """Upload the submission; returns Kaggle's reference of it.

    Raises:
        UserError: the upload failed, or the competition refuses it; of one that takes notebooks only, with the way out.
    """
    try:
        answer = client.ask(
            "submit", lambda: client.api.competition_submit(str(paths.SUBMISSION), message, client.slug, quiet=True)
        )
    except NotebooksOnlyError as error:
        raise UserError(
            f"{error}. A CSV alone is not taken there: python -m stages.submit --kernel sends the notebook"
        ) from None
    if not answer.ref:  # a failed upload ends in an answer without a reference, not in an error
        raise UserError(f"kaggle: {client.slug}: expected a reference, found {answer.message!r}: nothing was submitted")
    return int(answer.ref)


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
            raise UserError(
                f"kaggle: {client.slug}: submission {reference} could not be scored: "
                f"{record.error_description or 'no reason given'}"
            )
        waited = time.monotonic() - start
        if waited > wait:
            raise UserError(
                f"kaggle: {client.slug}: submission {reference} is sent and has no score after {waited:.0f} s "
                f"({status}): look at https://www.kaggle.com/c/{client.slug}/submissions"
            )
        print(f"submit: {status.lower()}, waiting for the score: {waited:.0f} s", flush=True)
        time.sleep(poll)


def attach(repo: Any, name: str) -> str:
    """Save the leaderboard's figures with the experiment that was sent, whatever runs next; returns its name."""
    repo.experiments.save(name=name, force=True, include_untracked=[str(paths.LEADERBOARD_METRICS)])
    return name


def _repo() -> Any:
    import dvc.repo  # takes a second

    return dvc.repo.Repo()


def _left(client: Client) -> int:
    limits = client.ask(
        "ask how many submissions are left", lambda: client.api.competition_get_submission_limits(client.slug)
    )
    return int(limits.num_allowed_now)


def _number(score: str | None) -> float | None:
    return float(score) if score else None


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.submit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-m", "--message", required=True, help="the description that Kaggle shows")
    parser.add_argument("--dry-run", action="store_true", help="check all, ask what is left today, and send nothing")
    parser.add_argument("--empty", action="store_true", help="send a submission without a single mask too")
    parser.add_argument("--kernel", action="store_true", help="send the notebook, for competitions that take no CSV")
    parser.add_argument("--poll", type=float, default=15, metavar="SECONDS", help="between two looks (default 15)")
    parser.add_argument("--wait", type=float, default=3600, metavar="SECONDS", help="for the score (default 3600)")
    given = parser.parse_args()
    command.guard(
        "submit",
        lambda: submit(given.message, given.dry_run, given.empty, given.kernel, given.poll, given.wait),
    )


if __name__ == "__main__":
    main()
