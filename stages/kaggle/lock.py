"""Keeps two processes from submitting at the same time from one folder."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stages.pipeline.cli import UserError


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock. The system releases it when its holder dies, so one that was left behind is taken over.

    Args:
        path: of the lock's file, which tells the holder and stays.

    Raises:
        UserError: another process holds it, or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}): without a lock nothing is sent") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise UserError(
                f"{path}: expected no other submit at work in this folder, found {holder}: wait until it has ended, or "
                "end it, then run the same command again, which sends nothing twice"
            ) from None
        except OSError as error:
            raise UserError(f"{path}: cannot be locked ({error.strerror}): without a lock nothing is sent") from None
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}\n")
        file.flush()
        yield
