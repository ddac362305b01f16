"""What Kaggle's answers mean to the user: pauses that it asks for, and one message for each error."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from stages.kaggle.credentials import ACCOUNT
from stages.pipeline.cli import UserError

TRIES = 5  # attempts per request, while the server answers 429 or 5xx
LONGEST_WAIT = 120.0  # seconds between two attempts, whatever the server asks for
# What the client raises where an answer is not what it expects: null, a number, a list, a page of HTML, other fields.
# RuntimeError: among others a recursion that is too deep.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError, RuntimeError)


class RefusedError(UserError):
    """The server refused the request: it has done nothing."""


class NotebooksOnlyError(RefusedError):
    """The competition accepts submissions from notebooks only."""


class DamagedError(UserError):
    """A download whose size is not the announced one."""


def pause(response: Any, attempt: int) -> float:
    """Seconds to wait before the next attempt: as Retry-After says, else 1, 2, 4, …; at most `LONGEST_WAIT`.

    Args:
        response: its header is a number of seconds or a date; what is neither is passed over.
        attempt: 1 after the first one.
    """
    asked = asked_pause(response)
    return min(2.0 ** (attempt - 1), LONGEST_WAIT) if asked is None else asked


def asked_pause(response: Any) -> float | None:
    """The pause that Retry-After asks for, in seconds, 0 … `LONGEST_WAIT`; None if there is none that makes sense."""
    text = response.headers.get("Retry-After") or ""
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        seconds = max(seconds, 0.0)  # a date that has passed
    return None if math.isnan(seconds) or seconds < 0 else min(seconds, LONGEST_WAIT)


def answer(response: Any) -> str:
    """Status and message of a response; the message stands in a nested JSON body."""
    try:
        message = response.json()["error"]["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        message = None
    text = " ".join(message.split())[:200] if isinstance(message, str) else ""
    return f"the server answered {response.status_code}" + (f" ({text})" if text else "")


def unreadable(slug: str, what: str, error: Exception) -> UserError:
    """The error for an answer that the client could not read.

    Only the kind of the error is shown: its text may hold what was sent, the authorization included.
    """
    return UserError(
        f"kaggle: {slug}: could not {what}: expected an answer that Kaggle's client understands, found another one "
        f"({type(error).__name__}): is there a proxy or a login page on the way? If not, try again later"
    )


def explained(slug: str, what: str, error: Any, once: bool, credentials: str) -> UserError:
    """The error for the user, with what to do. It shows neither address nor headers: both may contain secrets.

    Args:
        slug: of the competition.
        what: the purpose of the request.
        error: of requests.
        once: whether the request is one that is not repeated after 5xx.
        credentials: the variables or the file that hold them.
    """
    where = f"kaggle: {slug}: could not {what}"
    response = error.response  # a Response of an error is falsy: compare with None
    if response is None:
        if isinstance(error, ValueError):  # no JSON, or an impossible address in an answer
            return unreadable(slug, what, error)
        return UserError(f"{where}: the server cannot be reached ({type(error).__name__})")
    said, status = answer(response), response.status_code
    kind = RefusedError if 400 <= status < 500 else UserError
    if status == 400 and "only accepts submissions from notebooks" in said.lower():
        return NotebooksOnlyError(f"{where}: {said}")
    if status == 401:
        return kind(f"{where}: {said}: it does not accept the credentials in {credentials}: {ACCOUNT}")
    if status in (403, 404) and ("data set" in what or "notebook" in what):
        return kind(f"{where}: {said}: is kernel.owner in params.yaml, if set, your user name?")
    if status == 403:
        return kind(
            f"{where}: {said}. Accept the rules once in the browser, at https://www.kaggle.com/c/{slug}/rules; if "
            "that is done: is competition.slug in params.yaml spelt as in the address, is the account's phone number "
            f"verified, and may the token write? (Credentials: {credentials})"
        )
    if status == 404:
        return kind(f"{where}: {said}: there is no such competition: check competition.slug in params.yaml")
    if status >= 500 and once:
        again = f"first looks at https://www.kaggle.com/c/{slug}/submissions" if "submit" in what else "sends it anew"
        return kind(
            f"{where}: {said}; Kaggle may have accepted it nevertheless: run the same command again, which {again}"
        )
    if status == 429 or status >= 500:
        return kind(f"{where}: {said}, even after {TRIES} attempts; try again later")
    return kind(f"{where}: {said}")
