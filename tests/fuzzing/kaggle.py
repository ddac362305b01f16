"""Kaggle: the answers of its server, which the real client reads, and the files of credentials."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import requests
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from stages.kaggle import answers, credentials, submissions
from stages.kaggle.client import Client
from stages.kaggle.journal import Journal
from stages.pipeline.cli import UserError
from tests.fuzzing import changes
from tests.fuzzing.reader import Files, Reader
from tests.fuzzing.zips import PLAIN, written

KIND = "kaggle"
SLUG = "steel"
ERROR = {"error": {"code": 403, "message": "You must accept the rules", "status": "PERMISSION_DENIED"}}
LISTED = {
    "submissions": [
        {
            "ref": number, "totalBytes": 5, "date": "2020-01-01T00:00:00Z", "description": "c", "errorDescription": "",
            "fileName": "submission.csv", "publicScore": "0.5", "privateScore": "", "status": "COMPLETE",
            "submittedBy": "someone", "submittedByRef": "someone", "teamName": "a", "url": "/x",
        }
        for number in (3, 2)
    ],
    "nextPageToken": "",
}  # fmt: skip
LOGIN = {"active": True, "username": "someone", "userId": 5, "clientId": "", "exp": 0, "iat": 0}
SENT = {"message": "Successfully submitted", "ref": 9}
STATUSES = (
    200,
    200,
    200,
    200,
    201,
    204,
    206,
    301,
    302,
    304,
    400,
    401,
    403,
    404,
    409,
    418,
    422,
    429,
    451,
    500,
    502,
    503,
    599,
    999,
)
WAITS = (
    "",
    "3",
    "-1",
    "nan",
    "inf",
    "1e400",
    "x",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Fri, 31 Dec 99999 23:59:59 GMT",
    "²",
    "0x1",
)
ANSWER, HEAD = "answer.bin", "answer.json"


@st.composite
def _answers(draw: DrawFn) -> Files:
    """The body of every answer, and its status and headers."""
    body = draw(
        st.one_of(
            changes.json_file(LISTED, SENT, ERROR, LOGIN),
            changes.json_file(LISTED),
            st.sampled_from([b"<html>login</html>", b"", b"null", b"[]", b"5", b'"x"', b"\xff\xfe", b'{"error": "x"}']),
            changes.raw([written(PLAIN)]),
        )
    )
    headers = {
        "Content-Type": draw(st.sampled_from(("application/json", "text/html", "application/zip", ""))),
        "Retry-After": draw(st.sampled_from(WAITS)),
        "Content-Length": draw(st.sampled_from((str(len(body)), str(len(body)), "0", "-5", "x", "1" * 30))),
        "Last-Modified": draw(st.sampled_from(("Wed, 21 Oct 2015 07:28:00 GMT", "x", ""))),
        "Location": draw(st.sampled_from(("", "https://x/y.zip", "http://[", "ftp://x", "/relative"))),
    }
    return {ANSWER: body, HEAD: json.dumps({"status": draw(st.sampled_from(STATUSES)), "headers": headers}).encode()}


@contextlib.contextmanager
def _account(folder: Path, **variables: str) -> Iterator[None]:
    """A home of its own, and no other variables of Kaggle's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE", "XDG"))}
    with mock.patch.dict(os.environ, {**kept, "HOME": str(folder / "home"), **variables}, clear=True):
        yield


def _adapter(folder: Path) -> Any:
    """Stands for the network: every request gets the same answer."""
    import io

    head, body = json.loads((folder / HEAD).read_bytes()), (folder / ANSWER).read_bytes()

    def send(self: Any, request: Any, **rest: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url, response.request = head["status"], request.url, request
        response.headers.update({name: value for name, value in head["headers"].items() if value})
        response.raw = io.BytesIO(body)
        response.raw.release_conn = lambda: None
        return response

    return send


def answered(folder: Path) -> str | None:
    """Look at the submissions, send one, and download the archive; every answer is the same."""
    (folder / "home").mkdir()
    (folder / "archive").mkdir()
    (folder / "submission.csv").write_text("a,b\n1,2\n")
    send = mock.patch.object(requests.adapters.HTTPAdapter, "send", _adapter(folder))
    with _account(folder, KAGGLE_USERNAME="someone", KAGGLE_KEY="0" * 32), send, mock.patch.object(time, "sleep"):
        refused = []
        client = Client(SLUG)

        def submit() -> Any:
            return client.api.competition_submit("submission.csv", "m", SLUG)

        entry = {"experiment": "a", "revision": "b", "message": "m", "size": 8}
        for act in (
            lambda: list(submissions._newer(client, {1})),
            lambda: submissions.wait_for_score(client, 3, 0, 0),
            lambda: submissions.send(client, Journal(folder / "sent.json"), f"{SLUG} 1", entry, "submit", submit),
            lambda: client.download(folder / "archive"),
        ):
            try:
                act()
            except UserError as error:
                refused.append(error)
    if len(refused) == 4:
        raise refused[0]
    return None


def explained(folder: Path) -> str | None:
    """Explain an error by its answer."""
    response = _adapter(folder)(None, requests.Request("GET", "https://x").prepare())
    pause = answers.pause(response, 2)
    if not 0 <= pause <= answers.LONGEST_WAIT:
        return f"a pause of {pause} s"
    response.content  # noqa: B018  (reads it)
    raise answers.explained(SLUG, "submit", requests.HTTPError(response=response), True, "x")


def found(folder: Path) -> str | None:
    """Find credentials; what the client would send is what stands in the file."""
    home = folder / "home/.kaggle"
    with _account(folder):
        credentials.check()
        credentials.check_all_files()
    used = next(
        (home / name for name in ("access_token", "kaggle.json", "credentials.json") if (home / name).exists()), None
    )
    text = used.read_bytes().decode() if used else ""
    return None if text.strip() and "\ufeff" not in text[:1] else f"accepted {text[:50]!r}"


def _files() -> SearchStrategy[Files]:
    place, key = "home/.kaggle", {"username": "someone", "key": "0123456789abcdef0123456789abcdef"}
    return st.one_of(
        changes.json_file(key).map(changes.named(f"{place}/kaggle.json")),
        changes.json_file({"refresh_token": "x", "access_token": "y"}).map(changes.named(f"{place}/credentials.json")),
        st.one_of(changes.text(["KGAT_made_up\n"]), changes.raw([b"KGAT_made_up"])).map(
            changes.named(f"{place}/access_token")
        ),
    )


READERS = [
    Reader("answers of Kaggle", KIND, _answers(), answered),
    Reader("errors of Kaggle", KIND, _answers(), explained),
    Reader("credentials", KIND, _files(), found),
]
