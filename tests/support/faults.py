"""Runs one stage many times, each time with another fault. The stage's modules are imported only once.

    python -m tests.support.faults explore < cases > results

Cases and results are JSON lists: [folder, kind, number], and {status, stderr, number, files}, where files have their
SHA-256. Kinds are those of `faulting/sitecustomize.py`, where a number below 1 is a share of the last `count`, and:

    none      no fault
    limit     no file may exceed this many bytes: file too large
    disk      the folder is copied to a file system of its own with this many bytes left
    readonly  data/ and metrics/ cannot be written to

The last two mount file systems, which needs root or a namespace (`unshare --map-root-user --mount`). Stages that use
TensorFlow cannot be forked; run them as `python -m stages.NAME` with $FAULT.
"""

import hashlib
import importlib
import json
import math
import os
import resource
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.faulting.sitecustomize import Fault


def files(folder: Path) -> dict[str, str]:
    """SHA-256 of all files in a folder, by name; links are not followed."""
    found = [Path(top, name) for top, _, names in os.walk(folder) for name in names]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(found)}


def run(stage: str, kind: str, number: int) -> None:
    """Run the stage in this process, as `python -m` does."""
    sys.modules.pop(f"stages.{stage}")
    sys.argv = [f"stages/{stage}.py"]
    if kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
    elif kind in ("kill", "full", "count"):
        Fault(kind, number)
    runpy.run_module(f"stages.{stage}", run_name="__main__", alter_sys=True)


def mount(*words: str) -> None:
    """Call mount, which fails without the necessary rights."""
    subprocess.run(["mount", *words], check=True)


def prepared(folder: Path, kind: str, number: int) -> Path:
    """Prepare the folder of a case; returns the folder where the stage has to run."""
    if kind == "readonly":
        for name in (folder / "data", folder / "metrics"):
            mount("--bind", str(name), str(name))
            mount("-o", "remount,bind,ro", str(name))
    if kind != "disk":
        return folder
    disk = folder.with_name(f"{folder.name}.disk")
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=256m", "tmpfs", str(disk))
    shutil.copytree(folder, disk, dirs_exist_ok=True)
    status = os.statvfs(disk)
    with (disk / "filler").open("wb") as filler:
        filler.truncate(0)
        os.posix_fallocate(filler.fileno(), 0, status.f_bavail * status.f_frsize - number)
    return disk


def main() -> None:
    """Run all cases, one after the other."""
    stage, counted, results = sys.argv[1], 0, []
    importlib.import_module(f"stages.{stage}")
    importlib.import_module("sklearn.model_selection")  # joblib warns if it is imported where no file may grow
    os.environ["FAULT_COUNT"] = "count"
    for place, kind, share in json.load(sys.stdin):
        number = max(1, math.ceil(share * counted)) if 0 <= share < 1 and kind in ("kill", "full") else int(share)
        folder = prepared(Path(place), kind, number)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.chdir(folder)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(writing, 2)
            os.close(reading)
            run(stage, kind, number)
            return
        os.close(writing)
        with open(reading, encoding="utf-8") as stream:
            printed = stream.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        result: dict[str, Any] = {"status": status, "stderr": printed, "number": number}
        if kind == "count":
            counted = int((folder / "count").read_text())
            (folder / "count").unlink()
        for mounted in (folder / "data", folder / "metrics") if kind == "readonly" else ():
            subprocess.run(["umount", str(mounted)], check=True)
        (folder / "filler").unlink(missing_ok=True)
        results.append(result | {"files": files(folder)})
        if kind == "disk":
            subprocess.run(["umount", str(folder)], check=True)
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
