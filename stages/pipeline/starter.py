"""A stage ends with the dvc that started it. Otherwise it would go on, unseen, while the next dvc starts it again."""

import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

import psutil

SECONDS = 0.5  # between two looks
REAPERS = ("systemd", "init", "launchd", "tini", "dumb-init", "docker-init")


def end_with_dvc(name: str) -> None:
    """Watch the dvc that started this process, and end when it is gone. Nothing happens if no dvc did.

    DVC sets DVC_STAGE for the commands that it runs, and shells may stand between. So the first ancestor without it is
    the dvc; if that is the process that adopts orphans, the dvc is gone already.

    Args:
        name: of the stage, for the message.
    """
    if "DVC_STAGE" not in os.environ:
        return
    dvc = None
    with suppress(psutil.Error):  # of another user
        for ancestor in psutil.Process().parents():
            if _adopts(ancestor):
                _end(name)
            if "DVC_STAGE" not in ancestor.environ():
                dvc = ancestor
                break
    if dvc is not None:
        threading.Thread(target=_watch, args=(name, dvc), daemon=True).start()


def _adopts(process: psutil.Process) -> bool:
    """Whether it is a system's or a session's first process, which may be a dvc or a Python in a container."""
    started = " ".join([process.name(), *process.cmdline()])
    first = process.pid == 1 or process.name() in REAPERS
    return first and "dvc" not in started and "python" not in started


def _watch(name: str, dvc: psutil.Process) -> None:
    pause = threading.Event()
    while _alive(dvc):
        pause.wait(SECONDS)
    _end(name)


def _end(name: str) -> NoReturn:
    try:
        print(f"{name}: ends, because the dvc that started it is gone", file=sys.stderr, flush=True)
    finally:  # stderr may be gone as well
        os._exit(1)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
