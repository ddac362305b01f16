"""The road to Kaggle for competitions that take submissions from notebooks only.

A private data set with the networks, a notebook that reads it, its run, and the submission of what it wrote. What is
done is noted in a file, by the contents that were sent, so that a road that was broken off goes on where it stopped.
"""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stages.dataset.archive import digest
from stages.kaggle.client import Client
from stages.kaggle.journal import Journal
from stages.pipeline.cli import UserError

OWNER = "INSERT_OWNER_HERE"
WRITTEN = "submission.csv"  # what the notebook leaves
RUNNING = ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")


def key(kernel: Path) -> str:
    """What tells one notebook, with its data set, from another: SHA-256 of all contents."""
    return digest(kernel).sha256


def submit(client: Client, kernel: Path, message: str, journal: Journal, poll: float, wait: float) -> int:
    """Send data set and notebook, wait for its run, submit its output.

    Args:
        client: of the competition.
        kernel: the folder that `stages.kernel` has made.
        message: the description of the submission.
        journal: what earlier calls have done; those steps are not done again for the same contents. A step that failed
            on Kaggle's side is forgotten, so that the next call does it again.
        poll: seconds between two looks.
        wait: seconds to wait for the data set, and for the run.

    Returns:
        Kaggle's reference of the submission.

    Raises:
        UserError: a step was refused or failed; the message names it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = _owned(kernel, Path(scratch) / "kernel", client)
        data = digest(folder / "dataset").sha256
        code = hashlib.sha256(
            data.encode() + b"".join((folder / name).read_bytes() for name in ("submission.py", "kernel-metadata.json"))
        ).hexdigest()
        _dataset(client, folder / "dataset", journal, data, poll, wait)
        address = json.loads((folder / "kernel-metadata.json").read_text(encoding="utf-8"))["id"]
        version = _push(client, folder, journal, code)
    _finish(client, address, version, journal, code, poll, wait)
    answer = client.ask(
        "submit the notebook's output",
        lambda: client.api.competition_submit_code(WRITTEN, message, client.slug, address, version, quiet=True),
        once=True,
    )
    if not answer.ref:
        raise UserError(f"kaggle: {client.slug}: expected a reference, found {answer.message!r}: nothing was submitted")
    return int(answer.ref)


def _owned(kernel: Path, folder: Path, client: Client) -> Path:
    """A copy of the notebook's folder in which the owner is filled in."""
    shutil.copytree(kernel, folder)
    owner = client.api.get_config_value("username")
    for path in (folder / "kernel-metadata.json", folder / "dataset/dataset-metadata.json"):
        text = path.read_text(encoding="utf-8")
        if OWNER in text and not owner:
            raise UserError("params.yaml: kernel: owner: expected your Kaggle user name, found null, and no account")
        path.write_text(text.replace(OWNER, owner or ""), encoding="utf-8")
    return folder


def _dataset(client: Client, folder: Path, journal: Journal, key: str, poll: float, wait: float) -> None:
    address = json.loads((folder / "dataset-metadata.json").read_text(encoding="utf-8"))["id"]
    if not journal.get("dataset", key):
        if client.ask("look for the data set", lambda: _status(client, address)) != "deleted":
            print(f"submit: sending a new version of the data set {address}", flush=True)
            answer = client.ask(
                "send a version of the data set",
                lambda: client.api.dataset_create_version(str(folder), key[:12], quiet=False, dir_mode="zip"),
                once=True,
            )
        else:
            print(f"submit: creating the data set {address}", flush=True)
            answer = client.ask(
                "create the data set",
                lambda: client.api.dataset_create_new(str(folder), quiet=False, dir_mode="zip"),
                once=True,
            )
        lost = "Upload unsuccessful" in client.said  # the version is made without that file, and called a success
        if answer is None or (answer.status or "").lower() != "ok" or lost:
            told = "a file that could not be uploaded" if lost else getattr(answer, "error", None) or "no answer"
            raise UserError(f"kaggle: {address}: expected the data set to be taken, found: {told}")
        journal.note("dataset", key, address, alone=True)  # a notebook mounts the newest version

    def ready() -> bool:
        status = client.ask("look at the data set", lambda: _status(client, address))
        if status in ("failed", "deleted"):
            journal.forget("dataset", key)
            raise UserError(f"kaggle: {address}: expected the data set to become ready, found {status}")
        return status == "ready"

    _until(ready, f"the data set {address}", poll, wait)


def _status(client: Client, address: str) -> str:
    """How far a data set is, in small letters; "deleted" if there is none."""
    from requests import HTTPError

    try:
        return str(client.api.dataset_status(address)).lower()
    except HTTPError as error:
        if error.response is not None and error.response.status_code in (403, 404):  # a private one of nobody: 403
            return "deleted"
        raise


def _push(client: Client, folder: Path, journal: Journal, key: str) -> int:
    version = journal.get("notebook", key)
    if version:
        return int(version)
    answer = client.ask("push the notebook", lambda: client.api.kernels_push(str(folder)), once=True)
    if answer.error or not answer.version_number:
        raise UserError(
            f"kaggle: {client.slug}: expected the notebook to be taken, found: {answer.error or 'no version'}"
        )
    missing = [*(answer.invalid_dataset_sources or []), *(answer.invalid_competition_sources or [])]
    if missing:  # the notebook is saved without them, and would fail
        raise UserError(
            f"kaggle: {client.slug}: expected all sources to be mounted, Kaggle left out {', '.join(missing)}"
        )
    journal.note("notebook", key, int(answer.version_number))
    print(f"submit: pushed version {answer.version_number} of the notebook", flush=True)
    return int(answer.version_number)


def _finish(client: Client, address: str, version: int, journal: Journal, key: str, poll: float, wait: float) -> None:
    def finished() -> bool:
        answer = client.ask("look at the notebook's run", lambda: client.api.kernels_status(address))
        status = answer.status.name
        if status == "COMPLETE":
            return True
        if status not in RUNNING:
            journal.forget("notebook", key)
            raise UserError(
                f"kaggle: {address}: expected version {version} to run to its end, found {status}: "
                f"{answer.failure_message or 'no reason given'}"
            )
        return False

    _until(finished, f"the run of {address}", poll, wait)


def _until(done: Callable[[], bool], what: str, poll: float, wait: float) -> None:
    start = time.monotonic()
    while not done():
        waited = time.monotonic() - start
        if waited > wait:
            raise UserError(f"kaggle: {what} is not ready after {waited:.0f} s; run the same command again later")
        print(f"submit: waiting for {what}: {waited:.0f} s", flush=True)
        time.sleep(poll)
