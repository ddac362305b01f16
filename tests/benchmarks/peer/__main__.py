"""The process of an opponent: prepare a task, then do it once for every line on stdin.

    python -m tests.benchmarks.peer training FOLDER '{"precision": "bfloat16", …}'

Runs in the Python of .bench-peers, without this project's packages. It answers with lines of JSON: first what it has
prepared, then the result of each run, or {"error": …}. `tests.benchmarks.peers` starts it.
"""

import importlib
import json
import os
import sys
from pathlib import Path

# What each task needs is imported by its module alone.
TASKS = ("training", "network_alone", "submission")


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    task, folder, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    if task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, found {task}")
    try:
        prepare = importlib.import_module(f"tests.benchmarks.peer.{task}").prepare
        description, work = prepare(folder, options)
        print(json.dumps(description), file=answers, flush=True)
        for _ in sys.stdin:
            print(json.dumps(work()), file=answers, flush=True)
    except Exception as error:  # noqa: BLE001  (torch.compile raises many types; the other process tells it)
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        print(json.dumps({"error": reason}), file=answers, flush=True)


if __name__ == "__main__":
    main()
