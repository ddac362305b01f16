"""What a command needs: seconds, and memory of its process and of all that it starts."""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # comes with dvc

_PAUSE = 0.05  # seconds between two samples


@dataclass(frozen=True)
class Usage:
    """Time and memory of one command.

    Attributes:
        seconds: from start to end.
        peak: bytes of resident memory: the largest sum over all its processes at one moment, or the largest peak of
            one process as the system recorded it (short peaks), whichever is larger.
    """

    seconds: float
    peak: int


def measure(command: Sequence[str | Path], folder: Path, log: Path) -> Usage:
    """Run a command in a folder; its output goes into a file.

    Memory is read while it runs, because the system's final figure (`ru_maxrss`) includes the parent's memory.

    Raises:
        subprocess.CalledProcessError: the command failed; the end of its output is printed.
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
    """Bytes on the disk of files and of all files in folders; holes take none."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sum(file.stat().st_blocks * 512 for file in files if file.is_file())


def _resident(root: psutil.Process) -> int:
    """Bytes of a process and its descendants now, or the peak of one of them if it is larger."""
    now, highest = 0, 0
    with suppress(psutil.Error):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error, OSError):
                now += process.memory_info().rss
                highest = max(highest, _highest(process.pid))
    return max(now, highest)


def _highest(process: int) -> int:
    """Peak resident memory of a process in bytes, as Linux records it; 0 on other systems."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return 0
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(lines.get("VmHWM", "0 kB").split()[0]) * 1024
