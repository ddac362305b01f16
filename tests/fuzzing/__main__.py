"""Feed every reader of the project with valid inputs that are changed at random, for some minutes.

    python -m tests.fuzzing --minutes 5
    python -m tests.fuzzing --minutes 1 --only zips --seed 7
    python -m tests.fuzzing --replay .fuzzing/training-table.traceback.0

An input must be read, and then as a simple second reader does where there is one, or be refused with a message. A
traceback, more than 10 seconds or 1 GB, and an input that is read wrongly are faults: the exit status is 1, and the
input is kept in .fuzzing/ with the seed.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.fuzzing import campaign
from tests.fuzzing.campaign import Counts
from tests.fuzzing.reader import FAULTS, OUTCOMES
from tests.fuzzing.readers import KINDS, of_kinds
from tests.fuzzing.worker import for_some_time

KEPT = Path(__file__).parents[2] / ".fuzzing"


def main(words: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzzing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="in all (default: 5)")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time")
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="read an input that was kept")
    given = parser.parse_args(words)
    if given.replay:
        ended = campaign.replay(given.replay, of_kinds(KINDS))
        print(f"{ended.outcome}\n{ended.detail}")
        return int(ended.outcome in FAULTS)
    seed = int(time.time()) if given.seed is None else given.seed
    campaign.remove(KEPT)
    counts = Counts()
    for number, kind in enumerate(given.only):
        seconds = 60 * given.minutes / len(given.only)
        print(f"fuzzing: {kind}, {seconds:.0f} s ({number + 1} of {len(given.only)})", flush=True)
        for_some_time(kind, seed, seconds, counts, KEPT)
    print(table(counts))
    for folder in counts.kept:
        print(f"kept: {folder}", file=sys.stderr)
    print(f"seed: {seed}")
    return int(counts.faults() > 0)


def table(counts: Counts) -> str:
    """The counts as Markdown."""
    titles = [*OUTCOMES[:2], *(f"{fault}s" if fault != "memory" else fault for fault in FAULTS)]
    lines = [f"| kind | inputs | {' | '.join(titles)} |", f"| --- |{' ---: |' * (len(titles) + 1)}"]
    for kind, counter in counts.outcomes.items():
        cells = [sum(counter.values()), *(counter[outcome] for outcome in OUTCOMES)]
        lines.append(f"| {kind} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
