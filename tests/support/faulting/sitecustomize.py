"""Makes one stage fail while it writes; imported by every Python that starts with this folder on PYTHONPATH.

    FAULT=explore:kill:12 python -m stages.explore

Moments are counted at which the stage is about to change something in the folder where it runs: open a file for
writing, or create, rename or remove something. At the N-th, counted from 1, happens:

    kill     SIGKILL; a file that is about to be written gets other bytes first
    killall  the same for the whole process group, including dvc
    full     from then on, nothing can be created or opened for writing: OSError, no space left on device
    count    nothing; at the end, the number of moments is written to the file that $FAULT_COUNT names
"""

import atexit
import errno
import itertools
import os
import signal
import sys
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename": 1, "os.link": 1, "os.remove": 0, "os.rmdir": 0, "os.mkdir": 0, "os.truncate": 0}


class Fault:
    """An audit hook: Python calls it before each action."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind, self.number, self.seen, self.here, self.busy = kind, number, 0, os.getcwd(), False
        sys.addaudithook(self)
        if kind == "count":
            atexit.register(self._count)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Count; at the N-th moment, cause the fault."""
        path = self._changed(event, arguments)
        if self.busy or path is None:
            return
        self.seen += 1
        if self.seen < self.number or self.kind == "count":
            return
        if self.kind != "full":
            self.busy = True
            if event == "open" and arguments[1] and "r" not in str(arguments[1]):
                Path(path).write_bytes(b"torn")
            os.killpg(0, signal.SIGKILL) if self.kind == "killall" else os.kill(os.getpid(), signal.SIGKILL)
        if event in ("open", "os.mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def _changed(self, event: str, arguments: tuple[object, ...]) -> str | None:
        """The path that is about to change, if it is in the folder and not a file of git or DVC."""
        if event == "open":
            path, mode, flags = arguments
            if not (set("wax+") & set(str(mode)) if mode else int(flags) & WRITING):  # type: ignore[call-overload]
                return None
        elif event in CHANGES:
            path = arguments[CHANGES[event]]
        else:
            return None
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        name = os.path.relpath(os.path.join(self.here, os.fsdecode(path)), self.here)
        return None if name.startswith(("..", ".git", ".dvc")) else os.fsdecode(path)

    def _count(self) -> None:
        seen = self.seen  # opening the file below would count too
        with open(os.environ["FAULT_COUNT"], "w") as file:
            file.write(str(seen))


def started() -> str:
    """Name of the stage that this process runs; empty if it runs none."""
    words = sys.orig_argv
    names = [name for option, name in itertools.pairwise(words) if option == "-m"]
    return names[0].removeprefix("stages.") if names else ""


if "FAULT" in os.environ:
    stage, kind, number = os.environ["FAULT"].split(":")
    if started() == stage:
        Fault(kind, int(number))
