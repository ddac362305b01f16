"""How many cores this process may use."""

import os
from contextlib import suppress
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of processor time, and in how many, or "max …"


def usable() -> int:
    """The cores that the system lets this process run on; in a container at most its share of processor time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or no limit
        allowed, period = map(int, QUOTA.read_text(encoding="utf-8").split())
        cores = min(cores, max(1, allowed // period))
    return cores
