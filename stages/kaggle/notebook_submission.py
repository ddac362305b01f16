"""Submission to competitions that accept notebooks only.

Sends a private data set with the networks and a notebook that reads it, waits for the notebook's run, and submits its
output. Each finished step is recorded in a journal under a digest of what was sent, so that an interrupted submission
continues where it stopped.
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.dataset.archive import digest
from stages.kaggle.bundle import OWNER
from stages.kaggle.client import Client
from stages.kaggle.journal import Journal
from stages.pipeline.cli import UserError

WRITTEN = "submission.csv"  # the notebook's output
RUNNING = ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")


@dataclass(frozen=True)
class Session:
    """One submission in progress.

    Attributes:
        client: of the competition.
        journal: the steps that earlier calls finished; they are not repeated for the same contents. A step that fails
            on Kaggle's side is removed from it, so that the next call repeats it.
        poll: seconds between two polls.
        wait: longest wait, in seconds, for the data set and for the notebook's run.
    """

    client: Client
    journal: Journal
    poll: float
    wait: float


def key(kernel: Path) -> str:
    """Identify a notebook with its data set: SHA-256 of all files."""
    return digest(kernel).sha256


def prepare(session: Session, kernel: Path, message: str) -> Callable[[], Any]:
    """Send the data set and the notebook, and wait for its run.

    Args:
        session: see `Session`.
        kernel: the folder that the stage kernel writes.
        message: the description of the submission.

    Returns:
        The call to the client that submits the run's output; it returns Kaggle's answer.

    Raises:
        UserError: a step was refused or failed; the message names it.
    """
    client = session.client
    with tempfile.TemporaryDirectory() as scratch:
        folder = _with_owner(kernel, Path(scratch) / "kernel", client)
        data = digest(folder / "dataset").sha256
        code = hashlib.sha256(
            data.encode() + b"".join((folder / name).read_bytes() for name in ("submission.py", "kernel-metadata.json"))
        ).hexdigest()
        _send_dataset(session, folder / "dataset", data)
        address = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))["id"]
        version = _push(session, folder, code)
    _wait_for_run(session, address, version, code)
    return lambda: client.api.competition_submit_code(WRITTEN, message, client.slug, address, version, quiet=True)


def _with_owner(kernel: Path, folder: Path, client: Client) -> Path:
    """Copy the notebook's folder and fill in the owner."""
    shutil.copytree(kernel, folder)
    owner = client.api.get_config_value("username")
    for path in (folder / "kernel-metadata.json", folder / "dataset/dataset-metadata.json"):
        text = path.read_text(encoding="utf-8")
        if OWNER in text and not owner:
            raise UserError("params.yaml: kernel: owner: expected your Kaggle user name, found null, and no account")
        path.write_text(text.replace(OWNER, owner or ""), encoding="utf-8")
    return folder


def _send_dataset(session: Session, folder: Path, key: str) -> None:
    """Create the data set, or a new version of it, unless the journal says so; wait until it can be mounted."""
    client, journal = session.client, session.journal
    address = json.loads((folder / "dataset-metadata.json").read_text(encoding="utf-8"))["id"]
    if not journal.get("dataset", key):
        _upload_dataset(client, folder, address, key[:12])
        journal.note("dataset", key, address, alone=True)  # a notebook mounts the newest version

    def ready() -> bool:
        status = client.ask("look at the data set", lambda: _status(client, address))
        if status in ("failed", "deleted"):
            journal.forget("dataset", key)
            raise UserError(f"kaggle: {address}: expected the data set to become ready, found {status}")
        return status == "ready"

    _wait_until(ready, f"the data set {address}", session)


def _upload_dataset(client: Client, folder: Path, address: str, message: str) -> None:
    if client.ask("look for the data set", lambda: _status(client, address)) != "deleted":
        print(f"submit: sending a new version of the data set {address}", flush=True)
        answer = client.ask(
            "send a version of the data set",
            lambda: client.api.dataset_create_version(str(folder), message, quiet=False, dir_mode="zip"),
            once=True,
        )
    else:
        print(f"submit: creating the data set {address}", flush=True)
        answer = client.ask(
            "create the data set",
            lambda: client.api.dataset_create_new(str(folder), quiet=False, dir_mode="zip"),
            once=True,
        )
    lost = "Upload unsuccessful" in client.said  # Kaggle makes the version without that file and reports success
    if answer is None or (answer.status or "").lower() != "ok" or lost:
        reason = "a file that could not be uploaded" if lost else getattr(answer, "error", None) or "no answer"
        raise UserError(f"kaggle: {address}: expected Kaggle to accept the data set, found: {reason}")


def _status(client: Client, address: str) -> str:
    """The status of a data set in lower case, such as "ready"; "deleted" if there is none."""
    from requests import HTTPError

    try:
        return str(client.api.dataset_status(address)).lower()
    except HTTPError as error:
        if error.response is not None and error.response.status_code in (
            403,
            404,
        ):  # 403: private, or missing
            return "deleted"
        raise


def _push(session: Session, folder: Path, key: str) -> int:
    """Send the notebook, unless the journal says so; returns its version."""
    client, journal = session.client, session.journal
    version = journal.get("notebook", key)
    if version:
        if not isinstance(version, int):
            raise UserError(f"{journal.path}: expected the number of the notebook's version, found {version!r}")
        return version
    answer = client.ask("push the notebook", lambda: client.api.kernels_push(str(folder)), once=True)
    if answer.error or not answer.version_number:
        raise UserError(
            f"kaggle: {client.slug}: expected Kaggle to accept the notebook, found: {answer.error or 'no version'}"
        )
    missing = [*(answer.invalid_dataset_sources or []), *(answer.invalid_competition_sources or [])]
    if missing:  # the notebook is saved without them, and would fail
        raise UserError(
            f"kaggle: {client.slug}: expected all sources to be mounted, Kaggle left out {', '.join(missing)}"
        )
    journal.note("notebook", key, int(answer.version_number))
    print(f"submit: pushed version {answer.version_number} of the notebook", flush=True)
    return int(answer.version_number)


def _wait_for_run(session: Session, address: str, version: int, key: str) -> None:
    client = session.client

    def finished() -> bool:
        answer = client.ask("look at the notebook's run", lambda: client.api.kernels_status(address))
        status = answer.status.name
        if status == "COMPLETE":
            return True
        if status not in RUNNING:
            session.journal.forget("notebook", key)
            raise UserError(
                f"kaggle: {address}: expected version {version} to finish, found {status}: "
                f"{answer.failure_message or 'no reason given'}"
            )
        return False

    _wait_until(finished, f"the run of {address}", session)


def _wait_until(done: Callable[[], bool], what: str, session: Session) -> None:
    start = time.monotonic()
    while not done():
        waited = time.monotonic() - start
        if waited > session.wait:
            raise UserError(f"kaggle: {what} is not ready after {waited:.0f} s; run the same command again later")
        print(f"submit: waiting for {what}: {waited:.0f} s", flush=True)
        time.sleep(session.poll)
