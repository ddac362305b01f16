"""Files that a killed `dvc` leaves half written, and that every later `dvc repro` would fail on."""

import json
from pathlib import Path

RWLOCK = Path(".dvc/tmp/rwlock")  # which stage reads and writes what; DVC's own file, JSON
GUARD = RWLOCK.with_name("rwlock.lock")  # DVC holds it while it rewrites the file


def mend() -> str | None:
    """Remove DVC's list of running stages if it is no JSON and no `dvc` is writing it.

    A whole list is left alone, even if its processes are gone: DVC itself sees that.

    Returns:
        What was done, for people; None if nothing had to be.
    """
    if _whole():
        return None
    from dvc.lock import LockError, make_lock  # DVC takes a second to import

    try:
        with make_lock(str(GUARD), tmp_dir=str(RWLOCK.parent)):
            if _whole():
                return None
            RWLOCK.unlink()
    except LockError:
        return None
    return f"{RWLOCK}: removed, because a dvc that was killed had left it half written"


def _whole() -> bool:
    try:
        json.loads(RWLOCK.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except (ValueError, RecursionError):
        return False
    return True
