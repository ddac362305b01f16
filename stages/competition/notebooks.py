"""The road to Kaggle for competitions that take submissions from notebooks only.

A private data set with the networks, a notebook that reads it, its run, and the submission of what it wrote. What is
done is noted in a file, by the contents that were sent, so that a road that was broken off goes on where it stopped.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.command import UserError
from stages.competition.archive import digest
from stages.competition.client import Client

OWNER = "INSERT_OWNER_HERE"
WRITTEN = "submission.csv"  # what the notebook leaves
RUNNING = ("QUEUED", "RUNNING", "NEW_SCRIPT", "CANCEL_REQUESTED")


class Journal:
    """What has been done, in a JSON file that is replaced as a whole after each step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def get(self, step: str, key: str) -> Any:
        """What the step gave for these contents; None if it has not been done for them."""
        return self.done.get(step, {}).get(key)

    def note(self, step: str, key: str, result: Any) -> None:
        """Remember the result of a step, in place of an earlier one of other contents."""
        self.done[step] = {key: result}
        partial = self.path.with_name(f".{self.path.name}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(self.done, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, self.path)


def submit(client: Client, kernel: Path, message: str, journal: Journal, poll: float, wait: float) -> int:
    """Send data set and notebook, wait for its run, submit its output.

    Args:
        client: of the competition.
        kernel: the folder that `stages.kernel` has made.
        message: the description of the submission.
        journal: what earlier calls have done; those steps are not done again for the same contents.
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
    _finish(client, address, version, poll, wait)
    reference = journal.get("submission", code)
    if reference:
        print(f"submit: version {version} of {address} was submitted before, reference {reference}", flush=True)
        return int(reference)
    answer = client.ask(
        "submit the notebook's output",
        lambda: client.api.competition_submit_code(WRITTEN, message, client.slug, address, version, quiet=True),
    )
    if not answer.ref:
        raise UserError(f"kaggle: {client.slug}: expected a reference, found {answer.message!r}: nothing was submitted")
    journal.note("submission", code, int(answer.ref))
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
        there = client.ask("look for the data set", lambda: _there(client, address))
        if there:
            print(f"submit: sending a new version of the data set {address}", flush=True)
            answer = client.ask(
                "send a version of the data set",
                lambda: client.api.dataset_create_version(str(folder), key[:12], quiet=False, dir_mode="zip"),
            )
        else:
            print(f"submit: creating the data set {address}", flush=True)
            answer = client.ask(
                "create the data set",
                lambda: client.api.dataset_create_new(str(folder), quiet=False, dir_mode="zip"),
            )
        lost = "Upload unsuccessful" in client.said  # the version is made without that file, and called a success
        if answer is None or (answer.status or "").lower() != "ok" or lost:
            told = "a file that could not be uploaded" if lost else getattr(answer, "error", None) or "no answer"
            raise UserError(f"kaggle: {address}: expected the data set to be taken, found: {told}")
        journal.note("dataset", key, address)

    def ready() -> bool:
        status = str(client.ask("look at the data set", lambda: client.api.dataset_status(address))).lower()
        if status in ("failed", "deleted", "removed"):
            raise UserError(f"kaggle: {address}: expected the data set to become ready, found {status}")
        return status == "ready"

    _until(ready, f"the data set {address}", poll, wait)


def _there(client: Client, address: str) -> bool:
    from requests import HTTPError

    try:
        client.api.dataset_status(address)
    except HTTPError as error:
        if error.response is not None and error.response.status_code in (403, 404):  # a private one of nobody: 403
            return False
        raise
    return True


def _push(client: Client, folder: Path, journal: Journal, key: str) -> int:
    version = journal.get("notebook", key)
    if version:
        return int(version)
    answer = client.ask("push the notebook", lambda: client.api.kernels_push(str(folder)))
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


def _finish(client: Client, address: str, version: int, poll: float, wait: float) -> None:
    def finished() -> bool:
        answer = client.ask("look at the notebook's run", lambda: client.api.kernels_status(address))
        status = answer.status.name
        if status == "COMPLETE":
            return True
        if status not in RUNNING:
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
