"""Keeps two processes from doing the same work at the same time in one folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stages.pipeline.cli import UserError


@contextmanager
def held(path: Path, work: str, advice: str) -> Iterator[None]:
    """Hold a lock. The system releases it when its holder dies, so one that was left behind is taken over.

    Args:
        path: of the lock's file, which tells the holder and stays.
        work: what is done under the lock, in a word.
        advice: what the user can do, for the message.

    Raises:
        UserError: another process holds it, or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}): {work} needs this lock") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise UserError(
                f"{path}: expected no other {work} at work in this folder, found {holder}: wait until it has ended, or "
                f"end it, {advice}"
            ) from None
        except OSError as error:
            raise UserError(f"{path}: cannot be locked ({error.strerror}): {work} needs this lock") from None
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}\n")
        file.flush()
        yield
