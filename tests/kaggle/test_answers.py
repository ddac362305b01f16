"""Answers that make no sense: one message, no traceback, no endless wait."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests

from stages.kaggle import answers
from tests.support.kaggle_project import SLUG, Call, Stage
from tests.support.kaggle_server import KaggleServer
from tests.support.kaggle_wire import Answer

BODIES = {
    "null": (b"null", "application/json"),
    "5": (b"5", "application/json"),
    "[]": (b"[]", "application/json"),
    "text": (b'"x"', "application/json"),
    "cut off": (b'{"submissions": [', "application/json"),
    "code": (b'{"code": "x"}', "application/json"),
    "empty": (b"", "application/json"),
    "page": (b"<html>log in</html>", "text/html"),
    "page as JSON": (b"<html>log in</html>", "application/json"),
}
# Calls of `submit`, with answers whose fields are of other kinds.
FIELDS: dict[str, tuple[dict[str, Any], ...]] = {
    "GetSubmissionLimits": ({"numAllowedNow": "x"}, {"numAllowedNow": []}),
    "ListSubmissions": ({"submissions": 5}, {"submissions": [None]}, {"submissions": [{"ref": 1, "status": "NEW"}]}),
    "StartSubmissionUpload": ({"createUrl": 5}, {"createUrl": "x"}, {}),
    "CreateSubmission": ({"ref": "x"}, {"ref": None}, {"ref": [1]}),
}


@pytest.mark.parametrize("kind", BODIES)
def test_download(stage: Stage, server: KaggleServer, kind: str) -> None:
    """Of the call that leads to the archive."""
    body, form = BODIES[kind]
    server.fail("DownloadDataFiles", 200, body=body, headers={"Content-Type": form}, times=5)
    result = stage("download")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"download: kaggle: {SLUG}: ")
    assert "expected " in last


@pytest.mark.parametrize("kind", BODIES)
def test_submit(project: Call, stage: Stage, server: KaggleServer, kind: str) -> None:
    """Of the first call, and of the one that takes the submission."""
    body, form = BODIES[kind]
    for name in ("GetSubmissionLimits", "CreateSubmission"):
        server.fail(name, 200, body=body, headers={"Content-Type": form})
        refused(stage, server)


@pytest.mark.long
@pytest.mark.parametrize("name", FIELDS)
def test_fields(project: Call, stage: Stage, server: KaggleServer, name: str) -> None:
    """JSON whose fields are of other kinds."""
    for fields in FIELDS[name]:
        server.fail(name, 200, body=json.dumps(fields).encode(), headers={"Content-Type": "application/json"})
        refused(stage, server)


def refused(stage: Stage, server: KaggleServer) -> None:
    """`submit` ends with one message, and sends nothing."""
    result = stage("submit", "-m", "first idea", "--poll", "0.1", "--wait", "1")
    assert result.returncode == 1, result.stdout
    assert result.stderr.startswith(f"submit: kaggle: {SLUG}: ")
    assert "expected " in result.stderr
    assert result.stderr.count("\n") == 1
    assert server.submissions == []


def response(**headers: str) -> Any:
    """An answer with these headers."""
    made = requests.Response()
    made.status_code = 429
    made.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        ("0", 0),
        ("0.5", 0.5),
        ("9999999", answers.LONGEST_WAIT),
        ("inf", answers.LONGEST_WAIT),
        ("1e999", answers.LONGEST_WAIT),
        *((text, 4) for text in ("nan", "-1", "-inf", "soon", "", "1 2", "Fri, 99 Nov 2026 00:00:00 GMT", "\x00")),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", answers.LONGEST_WAIT),
    ],
)
def test_pauses(text: str, expected: float) -> None:
    """Seconds or a date, never more than two minutes; else 4 s after the third attempt."""
    assert answers.pause(response(Retry_After=text), 3) == expected


def test_a_pause_until_a_date() -> None:
    """As long as it is until then."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < answers.pause(response(Retry_After=date), 1) <= 60


RETRIES = """
import time, requests
from stages.kaggle.client import Client
api, slept = Client("any").api, []
time.sleep = slept.append
answer = requests.Response()
answer.status_code = 429
errors = []
for text in ("86400", "inf", "nan", "-5"):
    answer.headers["Retry-After"] = text
    errors.append(requests.HTTPError(response=answer))
    api.with_retry(lambda: (_ for _ in ()).throw(errors.pop()) if errors else None)()
print(all(0 <= pause <= 120 for pause in slept), len(slept))
"""


def test_the_client_s_own_pauses(environment: dict[str, str]) -> None:
    """It waits by itself when a data set is sent, for as long as it is told: here as well never for days."""
    command = [sys.executable, "-c", RETRIES]
    result = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=60)
    assert result.stdout.strip() == "True 4", result.stderr


def test_a_server_that_does_not_answer(environment: dict[str, str], server: KaggleServer) -> None:
    """It is given up, after five minutes; here after half a second."""
    script = (
        "from stages.kaggle import client; client.SILENCE = 0.5\n"
        "kaggle = client.Client('any')\n"
        "kaggle.ask('look', lambda: kaggle.api.competition_submissions('any'))"
    )
    server.latency = 20
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=15)
    assert "UserError: kaggle: any: could not look: the server cannot be reached (ReadTimeout)" in result.stderr


@pytest.mark.parametrize(
    "body", [b"null", b"5", b"[]", b'{"error": 5}', b'{"error": {"message": 5}}', b"<html>", b"\xff"]
)
def test_an_error_without_a_message(body: bytes) -> None:
    """The number alone is told."""
    made = response()
    made._content = body
    assert answers.answer(made) == "the server answered 429"


def test_a_message_of_several_lines() -> None:
    """It becomes one line."""
    made = response()
    made._content = Answer.of({"error": {"message": "Not\n\tnow"}}).body
    assert answers.answer(made) == "the server answered 429 (Not now)"
