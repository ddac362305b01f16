"""All rows, and their measurement in the process of their group."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks import (
    data,
    determinism,
    masks,
    memory,
    peer_inference,
    peer_training,
    start,
    submission,
    training,
)
from tests.benchmarks.rows import Place, Row, SkippedError
from tests.benchmarks.timing import summary

ROWS: list[Row] = [
    *masks.ROWS,
    *start.ROWS,
    *data.ROWS,
    *training.ROWS,
    *determinism.ROWS,
    *peer_training.ROWS,
    *submission.ROWS,
    *peer_inference.ROWS,
    *memory.ROWS,
]

Figures = dict[str, Any]


def measure(names: list[str], place: Place) -> dict[str, Figures]:
    """Measure rows one after the other, in this process."""
    measured = {}
    for row in ROWS:
        if row.name in names:
            print(f"bench: {row.name}: {row.work}", file=sys.stderr, flush=True)
            try:
                measured[row.name] = summary(row, list(row.measure(place))) | {
                    "quick": place.quick,
                    "machine": machine(),
                }
            except SkippedError as reason:
                print(f"bench: {row.name}: skipped: {reason}", file=sys.stderr, flush=True)
    return measured


def machine() -> dict[str, Any]:
    """The machine of the measurement."""
    return {"cores": os.cpu_count(), "processor": processor(), "python": platform.python_version()}


def processor() -> str:
    """Name of the processor, and whether it has AVX-512, which changes TensorFlow's defaults."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    known = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    wide = ", AVX-512" if "avx512f" in known.get("flags", "").split() else ""
    return known.get("model name", platform.processor() or platform.machine()) + wide
