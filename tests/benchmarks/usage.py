"""What a command takes: seconds, and memory of it and of all that it starts."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # comes with dvc

_PAUSE = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Usage:
    """Of one command.

    Attributes:
        seconds: from start to end.
        peak: bytes, resident; of all its processes together as seen at one moment, or of one as the system noted it
            (shorter peaks), whichever is more.
    """

    seconds: float
    peak: int


def measure(command: Sequence[str | Path], folder: Path, log: Path) -> Usage:
    """Run a command in a folder; what it prints goes into a file.

    Memory is read while it runs: what the system tells at the end (`ru_maxrss`) begins with that of the parent.

    Raises:
        subprocess.CalledProcessError: it has failed; its last lines are printed.
    """
    started, peak = time.perf_counter(), 0
    with log.open("wb") as printed:
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        root = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _resident(root))
            time.sleep(_PAUSE)
    seconds = time.perf_counter() - started
    if process.returncode:
        print(log.read_text(encoding="utf-8", errors="replace")[-4000:], file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, list(map(str, command)))
    return Usage(seconds, peak)


def disk(*paths: Path) -> int:
    """Bytes that files, and all files in folders, take on the disk; holes take none."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())


def _resident(root: psutil.Process) -> int:
    """Bytes of a process and its descendants now, or the most that one of them ever had."""
    now, highest = 0, 0
    with suppress(psutil.Error):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error, OSError):
                now += process.memory_info().rss
                highest = max(highest, _highest(process.pid))
    return max(now, highest)


def _highest(process: int) -> int:
    """Linux notes the largest resident memory of a process, in kilobytes; elsewhere 0."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return 0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(lines.get("VmHWM", "0 kB").split()[0]) * 1024
