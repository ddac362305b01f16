"""Sends a submission once, and finds it again in Kaggle's list of submissions.

What is about to be sent is written to the journal first: an intent, which the answer's reference closes. A process that
is killed in between leaves it open. Whether Kaggle has taken the submission then, its list tells.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from stages.kaggle.answers import RefusedError
from stages.kaggle.client import Client
from stages.kaggle.journal import Journal
from stages.pipeline.cli import UserError

INTENT, SENT = "intent", "submission"  # steps of the journal
_PAGES = 25  # of the list, 20 submissions each: the most that are looked through


@dataclass(frozen=True)
class Listed:
    """A submission as Kaggle lists it.

    Attributes:
        size: of its file, in bytes; 0 if Kaggle tells none.
        status: PENDING, COMPLETE or ERROR.
        error: Kaggle's reason for ERROR.
    """

    reference: int
    message: str
    size: int
    status: str
    public_score: str
    private_score: str
    error: str


class UnscoredError(UserError):
    """A submission that Kaggle has taken and could not score."""


def settle(client: Client, journal: Journal) -> set[str]:
    """Find out what became of the competition's submissions that were begun and whose answer is not known.

    What Kaggle lists is noted as sent. What it does not list was not sent.

    Returns:
        The keys of those that were sent.

    Raises:
        UserError: Kaggle cannot be asked, or the journal is damaged.
    """
    sent = set()
    for key, intent in list(journal.done.get(INTENT, {}).items()):
        if not key.startswith(f"{client.slug} "):
            continue
        entry = _checked(journal, intent)
        known = {*entry.pop("listed"), *_references(journal)}
        found = [each for each in _newer(client, known) if _matches(each, entry)]
        if found:
            reference = found[-1].reference  # the first that came
            journal.note(SENT, key, {**_without(entry, "size"), "reference": reference}, closes=INTENT)
            print(f"submit: an earlier call was interrupted after Kaggle took its submission, reference {reference}")
            sent.add(key)
        else:
            journal.forget(INTENT, key)
            print("submit: an earlier call was interrupted before Kaggle took its submission")
    return sent


def send(
    client: Client, journal: Journal, key: str, entry: dict[str, Any], what: str, request: Callable[[], Any]
) -> dict[str, Any]:
    """Send a submission and note it in the journal, before and after.

    Args:
        client: of the competition.
        journal: holds the intent until the reference is known.
        key: the competition and a digest of what is sent.
        entry: what the journal is to keep: experiment, revision, message; and size, None if it is not known here.
        what: the purpose, for messages.
        request: the call to the client that sends it; returns Kaggle's answer, with `message` and `ref`.

    Returns:
        The journal's entry, with the reference.

    Raises:
        UserError: the journal cannot be written: nothing is sent. Or Kaggle refuses the submission, or its answer is
            lost: then the intent stays.
    """
    listed = [each.reference for each in next(_pages(client), [])]
    journal.note(INTENT, key, {**entry, "listed": listed})

    def sent() -> tuple[int, str]:
        answer = request()
        return int(answer.ref or 0), str(answer.message or "")

    try:
        reference, said = client.ask(what, sent, once=True)
    except RefusedError:
        journal.forget(INTENT, key)
        raise
    if not reference:  # a failed upload ends in an answer without a reference, not in an error
        if said == client.api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            journal.forget(INTENT, key)
            raise UserError(f"kaggle: {client.slug}: expected a reference, found {said!r}: nothing was submitted")
        raise UserError(
            f"kaggle: {client.slug}: expected a reference, found {said!r}: run the same command again, which first "
            f"looks at https://www.kaggle.com/c/{client.slug}/submissions"
        )
    done = {**_without(entry, "size"), "reference": reference}
    journal.note(SENT, key, done, closes=INTENT)
    return done


def wait_for_score(client: Client, reference: int, poll: float, wait: float) -> Listed:
    """Wait until a submission is scored.

    Args:
        client: of the competition.
        reference: Kaggle's number of the submission.
        poll: seconds between two polls.
        wait: the longest wait, in seconds.

    Raises:
        UnscoredError: Kaggle could not score it.
        UserError: `wait` seconds have passed, or Kaggle cannot be asked.
    """
    start = time.monotonic()
    while True:
        every = (each for page in _pages(client) for each in page)
        found = next((each for each in every if each.reference == reference), None)
        status = found.status if found else "not listed yet"
        if found and status == "COMPLETE":
            return found
        if found and status == "ERROR":
            raise UnscoredError(
                f"kaggle: {client.slug}: submission {reference} could not be scored: {found.error or 'no reason given'}"
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


def _pages(client: Client) -> Iterator[list[Listed]]:
    """The competition's submissions, the newest first, page by page."""
    seen: set[int] = set()
    for number in range(1, _PAGES + 1):

        def page(number: int = number) -> list[Listed]:
            return [_listed(each) for each in client.api.competition_submissions(client.slug, page_number=number) or []]

        found = client.ask("look at the submissions", page)
        new = [each for each in found if each.reference not in seen]
        if not new:
            return
        seen.update(each.reference for each in new)
        yield new


def _listed(record: Any) -> Listed:
    return Listed(
        reference=int(record.ref),
        message=record.description or "",
        size=int(record.total_bytes or 0),
        status=record.status.name,
        public_score=str(record.public_score or ""),
        private_score=str(record.private_score or ""),
        error=str(record.error_description or ""),
    )


def _newer(client: Client, known: set[int]) -> Iterator[Listed]:
    """The submissions that came after the known ones, the newest first."""
    for page in _pages(client):
        yield from (each for each in page if each.reference not in known)
        if any(each.reference in known for each in page):
            return


def _matches(found: Listed, entry: dict[str, Any]) -> bool:
    same_size = not found.size or entry["size"] in (None, found.size)
    return same_size and " ".join(found.message.split()) == " ".join(entry["message"].split())


def _references(journal: Journal) -> set[int]:
    return {
        each["reference"]
        for each in journal.done.get(SENT, {}).values()
        if isinstance(each, dict) and isinstance(each.get("reference"), int)
    }


def _checked(journal: Journal, intent: Any) -> dict[str, Any]:
    """A copy of an intent, whose form is checked."""
    kinds: dict[str, Any] = {
        "experiment": str,
        "revision": str,
        "message": str,
        "size": (int, type(None)),
        "listed": list,
    }
    whole = isinstance(intent, dict) and all(isinstance(intent.get(name, ()), kind) for name, kind in kinds.items())
    if not whole or not all(isinstance(reference, int) for reference in intent["listed"]):
        raise UserError(
            f"{journal.path}: expected what was about to be sent, found {intent!r}: look on Kaggle what has been sent, "
            "then remove the file"
        )
    return dict(intent)


def _without(entry: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != name}
