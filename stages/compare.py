"""Say whether two experiments can be told apart, and lay their confusion matrices side by side.

    python -m stages.compare cce cce_dice
    python -m stages.compare cce-1,cce-2,cce-3 cce_dice-1,cce_dice-2,cce_dice-3      # several seeds of each

Takes names of experiments, branches, tags or commits, or `workspace`. Differences are of the second less the first,
with 95% intervals of a paired bootstrap: in each round both are scored on the same draw of groups of near-duplicates.
"""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages import command, paths
from stages.command import UserError
from stages.competition import bootstrap, image_scores
from stages.competition.image_scores import ImageScores
from stages.masks import confusion

WORKSPACE = "workspace"
SPLITS = {"validation": "Validation folds (choose by these)", "held_out": "Held-out fold (report this)"}
TITLES = {
    "mean_dice": "mean Dice",
    "positive_mean_dice": "Dice where there is a mask",
    "mean_precision": "precision of the pixels, mean over classes",
    "mean_recall": "recall of the pixels, mean over classes",
}
FEWEST = 5  # groups of near-duplicates with pixels of a class, for an interval to mean anything


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
        refuse_unlike(one, other)
    names = ", ".join(first), ", ".join(second)
    parts = [f"A: {names[0]}\nB: {names[1]}"]
    for split, title in SPLITS.items():
        pooled = [pool([run.scores[split] for run in runs]) for runs in (before, after)]
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
    scores = image_scores.read(io.StringIO(_read(name, paths.IMAGES_TABLE)), where)
    missing = [split for split in SPLITS if split not in scores]
    if missing:
        raise UserError(f"{where}: expected images of every split, found none of {', '.join(missing)}")
    rows = list(csv.DictReader(io.StringIO(_read(name, paths.CONFUSION_TABLE))))
    names = list(dict.fromkeys(row["actual"] for row in rows))
    matrix = np.array([int(row["pixels"]) for row in rows], np.int64).reshape(len(names), len(names))
    return Run(name, scores, names, matrix)


def refuse_unlike(one: Run, other: Run) -> None:
    """Raise a `UserError` with the reason if two experiments are not of the same images, masks and folds."""
    where = f"{one.name} and {other.name} cannot be compared"
    for split, a in one.scores.items():
        b = other.scores[split]
        told = split.replace("_", "-")
        if a.classes != b.classes:
            raise UserError(
                f"{where}: expected the same classes, found {', '.join(a.classes)} and {', '.join(b.classes)}"
            )
        if a.images != b.images:
            different = sorted(set(a.images) ^ set(b.images))
            raise UserError(
                f"{where}: expected the same {told} images, found {len(a.images)} and {len(b.images)}, of which "
                f"{len(different)} are in one of them only: they are of other data, or of other folds "
                "(preprocess.folds, train.folds, seed)"
            )
        if not np.array_equal(a.true, b.true):
            image = a.images[int(np.argmax((a.true != b.true).any(axis=1)))]
            raise UserError(f"{where}: expected the same true masks, found different ones of {image}: other data")
        if not np.array_equal(a.groups, b.groups):
            raise UserError(
                f"{where}: expected the same groups of near-duplicates, found others: "
                "they differ in preprocess.duplicate_correlation, or in their data"
            )


def pool(several: list[ImageScores]) -> ImageScores:
    """The images of several experiments as one set; what several share stays one group, since it is one sheet.

    An image is the same when its name and the size of its true masks are: another seed draws another built-in sample.
    """
    labels: dict[Any, int] = {}
    parent: list[int] = []

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    groups = []
    for number, scores in enumerate(several):
        for image, group, true in zip(scores.images, scores.groups.tolist(), scores.true.tolist(), strict=True):
            keys: list[Any] = [(number, group), (image, tuple(true))]
            for key in keys:
                if key not in labels:
                    labels[key] = len(parent)
                    parent.append(len(parent))
            parent[root(labels[keys[0]])] = root(labels[keys[1]])
            groups.append(labels[keys[0]])
    return ImageScores(
        several[0].classes,
        [image for scores in several for image in scores.images],
        np.array([root(group) for group in groups], np.int64),
        *(
            np.concatenate([getattr(scores, name) for scores in several])
            for name in ("dice", "true", "predicted", "intersection")
        ),
    )


def differences(a: ImageScores, b: ImageScores) -> str:
    """Table of figures, differences, their intervals, and what that means in words."""
    weights = bootstrap.draws(a.groups)
    values = [bootstrap.figures(scores) for scores in (a, b)]
    drawn = [bootstrap.figures(scores, weights) for scores in (a, b)]
    titles = {name: TITLES.get(name) or name.replace("positive_dice", "Dice").replace(".", " of ") for name in drawn[0]}
    rows = [["", "A", "B", "B less A", "95% interval", ""]]
    for name, title in titles.items():
        one, other = float(values[0][name][0]), float(values[1][name][0])
        interval = bootstrap.interval(drawn[1][name] - drawn[0][name])
        rows.append(
            [
                title,
                _shown(one),
                _shown(other),
                _shown(other - one, "+.4f"),
                f"{interval[0]:+.4f} … {interval[1]:+.4f}" if interval else "",
                verdict(interval, _groups(name, a, b)),
            ]
        )
    return table(rows)


def verdict(interval: tuple[float, float] | None, groups: int) -> str:
    """In words, what the interval of a difference says that rests on so many groups of near-duplicates."""
    if interval is None:
        return "undefined"
    if groups < FEWEST:
        return "too few images to tell"
    if interval[0] > 0:
        return "B is higher"
    if interval[1] < 0:
        return "A is higher"
    return "the data cannot tell them apart"


def matrices(before: list[confusion.Matrix], after: list[confusion.Matrix], names: list[str]) -> str:
    """Confusion matrices side by side, of several runs their mean, and the difference; shares of the true class."""
    a, b = (np.mean([confusion.shares(matrix) for matrix in runs], axis=0) for runs in (before, after))
    parts = [("A", a, ".4f"), ("B", b, ".4f"), ("B less A", b - a, "+.4f")]
    header = ["true \\ predicted"] + [f"{title}: {name}" for title, _, _ in parts for name in names]
    rows = [
        [name, *(format(value, form) for _, values, form in parts for value in values[row])]
        for row, name in enumerate(names)
    ]
    return f"Confusion matrices of the held-out fold, share of the true class's pixels\n\n{table([header, *rows])}"


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


def _groups(name: str, a: ImageScores, b: ImageScores) -> int:
    """How many groups of near-duplicates have pixels that a figure of one class rests on; of a mean, all."""
    kind, _, of_class = name.partition(".")
    if not of_class:
        return len(np.unique(a.groups))
    number = a.classes.index(of_class)
    pixels = a.predicted + b.predicted if kind == "precision" else a.true
    return len(np.unique(a.groups[pixels[:, number] > 0]))


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
    except (DvcException, SCMError, OSError) as error:
        raise UserError(f"{name}: expected {path} among its metrics, found none ({error})") from None
    return content


def _counted(scores: ImageScores, seeds: int) -> str:
    of = f" of {seeds} runs" if seeds > 1 else ""
    return f"{len(scores.images)} images{of} in {len(np.unique(scores.groups))} groups of near-duplicates"


def _shown(value: float, form: str = ".4f") -> str:
    return "undefined" if np.isnan(value) else format(value, form)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", metavar="A", help="an experiment, or several with commas between them")
    parser.add_argument("second", metavar="B", help="as many others")
    given = parser.parse_args()
    command.guard("compare", lambda: print(compare(given.first.split(","), given.second.split(","))))


if __name__ == "__main__":
    main()
