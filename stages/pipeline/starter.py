"""A stage ends with the dvc that started it. Otherwise it would go on, unseen, while the next dvc starts it again."""

import os
import sys
import threading

import psutil

SECONDS = 0.5  # between two looks


def end_with_dvc(name: str) -> None:
    """Watch the dvc that started this process, and end when it is gone. Nothing happens if no dvc did.

    DVC sets DVC_STAGE for the commands that it runs, and shells may stand between. So the first ancestor without it is
    the dvc.

    Args:
        name: of the stage, for the message.
    """
    dvc = _dvc()
    if dvc is not None:
        threading.Thread(target=_watch, args=(name, dvc), daemon=True).start()


def _dvc() -> psutil.Process | None:
    if "DVC_STAGE" not in os.environ:
        return None
    try:
        return next((each for each in psutil.Process().parents() if "DVC_STAGE" not in each.environ()), None)
    except psutil.Error:  # of another user
        return None


def _watch(name: str, dvc: psutil.Process) -> None:
    pause = threading.Event()
    while _alive(dvc):
        pause.wait(SECONDS)
    try:
        print(f"{name}: ends, because the dvc that started it (process {dvc.pid}) is gone", file=sys.stderr, flush=True)
    finally:  # stderr may be gone as well
        os._exit(1)


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
