"""Record in docs/studies/cce-and-dice.json what two losses gave on one data set: docs.tables and docs.pictures show it.

    python -m docs.study "built-in sample" cce-1,cce-2,cce-3 cce_dice-1,cce_dice-2,cce_dice-3

The experiments are compared as `python -m stages compare` does, on the held-out fold; the first of each side with the
first of the other, and so on.
"""

import argparse
import datetime
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from stages.ablation import experiments
from stages.commands import compare
from stages.pipeline import cli
from stages.scoring import bootstrap, comparison, confusion

STUDY = Path("docs/studies/cce-and-dice.json")
SPLIT = "held_out"
KINDS = {"positive_dice": "Dice of", "precision": "precision of", "recall": "recall of"}
DIGITS = 4


def record(cce: list[str], cce_dice: list[str]) -> dict[str, Any]:
    """Figures, differences with their intervals, and confusion matrices (means of the runs).

    Args:
        cce, cce_dice: names of experiments, as many of each.
    """
    sides = compare.load_pairs(cce, cce_dice)
    before, after = (comparison.pool([run.scores[SPLIT] for run in runs]) for runs in sides)
    return {
        "commit": _commit(cce[0]),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "experiments": {"cce": cce, "cce_dice": cce_dice},
        "images": len(before.images),
        "runs": len(cce),
        "groups": len(np.unique(before.groups)),
        "classes": sides[0][0].names,
        "figures": [_figure(found) for found in comparison.differences(before, after) if _title(found.name)],
        "confusion": {
            loss: np.mean([confusion.shares(run.matrix) for run in runs], axis=0).round(DIGITS).tolist()
            for loss, runs in zip(("cce", "cce_dice"), sides, strict=True)
        },
        "differences_by_seed": [
            {
                name: _rounded(found.b - found.a)
                for name, found in _by_name(one, other).items()
                if name in compare.TITLES
            }
            for one, other in zip(*sides, strict=True)
        ],
    }


def _by_name(one: compare.Experiment, other: compare.Experiment) -> dict[str, comparison.PairedDifference]:
    return {found.name: found for found in comparison.differences(one.scores[SPLIT], other.scores[SPLIT])}


def _figure(found: comparison.PairedDifference) -> dict[str, Any]:
    enough = found.interval is not None and found.groups >= bootstrap.FEWEST
    return {
        "figure": _title(found.name),
        "cce": _rounded(found.a),
        "cce_dice": _rounded(found.b),
        "difference": _rounded(found.b - found.a),
        "interval": [_rounded(end) for end in found.interval] if found.interval and enough else None,
    }


def _title(name: str) -> str:
    """The figure in words; empty for one that the study leaves out."""
    kind, _, of_class = name.partition(".")
    return f"{KINDS[kind]} {of_class}" if of_class and kind in KINDS else compare.TITLES.get(name, "")


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DIGITS)


def _commit(name: str) -> str:
    """The commit on which an experiment ran."""
    command = ["git", "rev-parse", "--short=7", f"{experiments.revision(name) or name}^"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the name of the data set")
    parser.add_argument("cce", help="experiments with cross-entropy alone, separated by commas")
    parser.add_argument("cce_dice", help="as many with Dice")
    given = parser.parse_args()
    cli.guard("study", lambda: write(given.data, given.cce.split(","), given.cce_dice.split(",")))


def write(data: str, cce: list[str], cce_dice: list[str]) -> None:
    """Replace the record of one data set; see `record`."""
    content = json.loads(STUDY.read_text(encoding="utf-8")) if STUDY.exists() else {}
    content[data] = record(cce, cce_dice)
    STUDY.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"study: {data}: {STUDY}")


if __name__ == "__main__":
    main()
