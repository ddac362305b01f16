"""Say whether two experiments can be told apart, and lay their confusion matrices side by side.

    python -m stages compare cce cce_dice
    python -m stages compare cce-1,cce-2,cce-3 cce_dice-1,cce_dice-2,cce_dice-3      # several seeds of each
    python -m stages compare --losses cce cce_dice           # trains both first: what `make compare` does

Takes names of experiments, branches, tags or commits, or `workspace`. Differences are of the second less the first,
with 95% intervals of a paired bootstrap: in each round both are scored on the same draw of groups of near-duplicates.
"""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from stages.ablation import variants
from stages.pipeline import paths
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train
from stages.scoring import bootstrap, comparison, confusion, per_image
from stages.scoring.per_image import ImageScores

WORKSPACE = "workspace"
LOSSES = get_args(Train.model_fields["loss"].annotation)
SPLITS = {"validation": "Validation folds (choose by these)", "held_out": "Held-out fold (report this)"}
TITLES = {
    "mean_dice": "mean Dice",
    "positive_mean_dice": "Dice where there is a mask",
    "mean_precision": "precision of the pixels, mean over classes",
    "mean_recall": "recall of the pixels, mean over classes",
}


@dataclass(frozen=True)
class Run:
    """What one experiment left.

    Attributes:
        name: as it was given.
        scores: per split.
        names: of the classes, the background first.
        matrix: confusion matrix of the held-out fold, int64 (1 + classes, 1 + classes).
    """

    name: str
    scores: dict[str, ImageScores]
    names: list[str]
    matrix: confusion.Matrix


def compare(first: Sequence[str], second: Sequence[str]) -> str:
    """The comparison as text, in tables that Markdown knows.

    Args:
        first, second: experiments, in pairs: each two must be of the same images, masks and folds.

    Raises:
        UserError: an experiment or its metrics are not there, or a pair is not of the same data and folds.
    """
    if len(first) != len(second):
        raise UserError(f"expected as many experiments on both sides, found {len(first)} and {len(second)}")
    before, after = [load(name) for name in first], [load(name) for name in second]
    for one, other in zip(before, after, strict=True):
        where = f"{one.name} and {other.name} cannot be compared"
        for split in SPLITS:
            comparison.refuse_unlike(where, split.replace("_", "-"), one.scores[split], other.scores[split])
    names = ", ".join(first), ", ".join(second)
    parts = [f"A: {names[0]}\nB: {names[1]}"]
    for split, title in SPLITS.items():
        pooled = [comparison.pool([run.scores[split] for run in runs]) for runs in (before, after)]
        parts.append(f"{title}: {_counted(pooled[0], len(first))}\n\n{differences(*pooled)}")
    parts.append(matrices([run.matrix for run in before], [run.matrix for run in after], before[0].names))
    if len(first) > 1:
        parts.append(_seeds(before, after))
    return "\n\n".join(parts)


def load(name: str) -> Run:
    """Read an experiment's metrics from git.

    Raises:
        UserError: there is no such experiment or commit, or it lacks the metrics.
    """
    where = f"{name}: {paths.IMAGES_TABLE}"
    scores = per_image.read(io.StringIO(_read(name, paths.IMAGES_TABLE)), where)
    missing = [split for split in SPLITS if split not in scores]
    if missing:
        raise UserError(f"{where}: expected images of every split, found none of {', '.join(missing)}")
    rows = list(csv.DictReader(io.StringIO(_read(name, paths.CONFUSION_TABLE))))
    names = list(dict.fromkeys(row["actual"] for row in rows))
    matrix = np.array([int(row["pixels"]) for row in rows], np.int64).reshape(len(names), len(names))
    return Run(name, scores, names, matrix)


def differences(a: ImageScores, b: ImageScores) -> str:
    """Table of figures, differences, their intervals, and what that means in words."""
    rows = [["", "A", "B", "B less A", "95% interval", ""]]
    for found in comparison.differences(a, b):
        title = TITLES.get(found.name) or found.name.replace("positive_dice", "Dice").replace(".", " of ")
        told = f"{found.interval[0]:+.4f} … {found.interval[1]:+.4f}" if found.interval else ""
        cells = [_shown(found.a), _shown(found.b), _shown(found.b - found.a, "+.4f"), told, found.verdict()]
        rows.append([title, *cells])
    return table(rows)


def matrices(before: list[confusion.Matrix], after: list[confusion.Matrix], names: list[str]) -> str:
    """Confusion matrices side by side, of several runs their mean, and the difference; shares of the true class."""
    a, b = (_mean_shares(runs) for runs in (before, after))
    parts = [("A", a, ".4f"), ("B", b, ".4f"), ("B less A", b - a, "+.4f")]
    header = ["true \\ predicted"] + [f"{title}: {name}" for title, _, _ in parts for name in names]
    rows = [
        [name, *(format(value, form) for _, values, form in parts for value in values[row])]
        for row, name in enumerate(names)
    ]
    return f"Confusion matrices of the held-out fold, share of the true class's pixels\n\n{table([header, *rows])}"


def _mean_shares(runs: list[confusion.Matrix]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Shares of the true class, of each class the mean over the runs in which it occurs; 0 if it occurs in none."""
    occurs = np.array([matrix.sum(axis=1) > 0 for matrix in runs])  # (run, class)
    shares = np.array([confusion.shares(matrix) for matrix in runs])
    total: np.ndarray[Any, np.dtype[np.float64]] = shares.sum(axis=0) / np.maximum(occurs.sum(axis=0), 1)[:, np.newaxis]
    return total


def table(rows: list[list[str]]) -> str:
    """A Markdown table whose columns are aligned for the eye too."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]

    def line(cells: list[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *map(line, rows[1:])])


def _seeds(before: list[Run], after: list[Run]) -> str:
    """The figures of each pair by itself: how much one training differs from another."""
    rows = [["held-out fold", *(title for title in TITLES.values())]]
    for one, other in zip(before, after, strict=True):
        a, b = (bootstrap.figures(run.scores["held_out"]) for run in (one, other))
        rows.append(
            [f"{other.name} less {one.name}", *(_shown(float(b[name][0] - a[name][0]), "+.4f") for name in TITLES)]
        )
    return f"Each pair by itself\n\n{table(rows)}"


def _read(name: str, path: Path) -> str:
    """A file of an experiment, of any git revision, or of the workspace."""
    if not name:
        raise UserError("expected the name of an experiment, found an empty one")
    if name == WORKSPACE:
        if not path.is_file():
            raise UserError(f"{name}: expected {path}, found none: run dvc repro")
        return path.read_text(encoding="utf-8")
    import dvc.api  # takes a second
    from dvc.exceptions import DvcException
    from dvc.scm import RevError
    from scmrepo.exceptions import SCMError

    try:
        content: str = dvc.api.read(str(path), rev=name)
    except RevError:
        raise UserError(
            f"expected the name of an experiment (dvc exp show lists them), a commit or 'workspace', found {name!r}"
        ) from None
    except (DvcException, SCMError, OSError, AttributeError) as error:  # AttributeError: of a tag on a file
        raise UserError(f"{name}: expected {path} among its metrics, found none ({error})") from None
    return content


def _counted(scores: ImageScores, seeds: int) -> str:
    of = f" of {seeds} runs" if seeds > 1 else ""
    return f"{len(scores.images)} images{of} in {len(np.unique(scores.groups))} groups of near-duplicates"


def _shown(value: float, form: str = ".4f") -> str:
    return "undefined" if np.isnan(value) else format(value, form)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("first", metavar="A", help="an experiment, or several with commas between them")
    parser.add_argument("second", metavar="B", help="as many others")
    parser.add_argument("--losses", action="store_true", help="A and B are losses: run compare-A and compare-B first")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    first, second = given.first.split(","), given.second.split(",")
    if given.losses:
        for loss in (*first, *second):
            if loss not in LOSSES:
                raise UserError(f"expected losses, one of {', '.join(LOSSES)}; found {loss!r}")
        names = variants.run("train.loss", [*first, *second])
        first, second = names[: len(first)], names[len(first) :]
    print(compare(first, second))
