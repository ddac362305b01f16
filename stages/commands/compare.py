"""Say whether the data can tell two experiments apart, and show their confusion matrices side by side.

    python -m stages compare cce cce_dice
    python -m stages compare cce-1,cce-2,cce-3 cce_dice-1,cce_dice-2,cce_dice-3      # several seeds of each
    python -m stages compare --losses cce cce_dice           # trains both first: what `make compare` does
    python -m stages compare cce cce_dice --html cce.html    # and a page with the images that differ most

Arguments are names of experiments, branches, tags or commits, or `workspace`. Differences are second minus first, with
95% intervals of a paired bootstrap: in each round both are scored on the same draw of groups of near-duplicates.
Where the two hold out different images, as when some were added, they are scored on those that both hold out.
"""

import argparse
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
from tabulate import tabulate  # type: ignore[import-untyped]

from stages.ablation import variants
from stages.dataset.layout import Layout, Metric
from stages.pipeline import free_path, outputs, paths, revisions, settings, yaml_files
from stages.pipeline.arrays import Float64, Int64
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train
from stages.scoring import bootstrap, comparison, confusion, metric, per_image
from stages.scoring.per_image import ImageScores

if TYPE_CHECKING:
    from stages.figures import comparison_page

LOSSES = get_args(Train.model_fields["loss"].annotation)
SPLITS = {"validation": "Validation folds (choose by these)", "held_out": "Held-out fold (report this)"}
TITLES = {
    "mean_dice": "mean Dice",
    "positive_mean_dice": "Dice where there is a mask",
    "mean_precision": "precision over pixels, mean over classes",
    "mean_recall": "recall over pixels, mean over classes",
}


@dataclass(frozen=True)
class Experiment:
    """The metrics of one experiment.

    Attributes:
        name: as given on the command line.
        scores: by split.
        names: of the classes, the background first.
        matrix: confusion matrix of the whole held-out fold, int64 (1 + classes, 1 + classes).
        left_out: how many images of each split were left out, because the other experiment does not have them.
    """

    name: str
    scores: dict[str, ImageScores]
    names: list[str]
    matrix: Int64
    left_out: Mapping[str, int] = field(default_factory=dict)


def compare(first: Sequence[str], second: Sequence[str]) -> str:
    """The comparison of experiments as text; see `load_pairs` and `text`."""
    return text(*load_pairs(first, second))


def load_pairs(first: Sequence[str], second: Sequence[str]) -> tuple[list[Experiment], list[Experiment]]:
    """Read experiments that are compared in pairs. Both of a pair are scored on the images that they share.

    Raises:
        UserError: an experiment or its metrics are missing, or a pair shares no image, or has other masks of one.
    """
    if len(first) != len(second):
        raise UserError(f"expected as many experiments on both sides, found {len(first)} and {len(second)}")
    both = [on_shared_images(load(one), load(other)) for one, other in zip(first, second, strict=True)]
    return [one for one, _ in both], [other for _, other in both]


def text(before: Sequence[Experiment], after: Sequence[Experiment]) -> str:
    """The comparison with Markdown tables."""
    sides = [f"{side}: {', '.join(run.name for run in runs)}" for side, runs in zip("AB", (before, after), strict=True)]
    parts = ["\n".join(sides)]
    for split, title in SPLITS.items():
        pooled = [comparison.pool([run.scores[split] for run in runs]) for runs in (before, after)]
        counted = f"{_counted(pooled[0], len(before))}{_left_out(before, after, split)}"
        parts.append(f"{title}: {counted}\n\n{differences(*pooled)}")
    if _left_out(before, after, "held_out"):
        parts.append("No confusion matrices: they count all held-out images of a run, and those of A and B differ.")
    else:
        parts.append(matrices([run.matrix for run in before], [run.matrix for run in after], before[0].names))
    if len(before) > 1:
        parts.append(pairs(before, after))
    return "\n\n".join(parts)


def on_shared_images(one: Experiment, other: Experiment) -> tuple[Experiment, Experiment]:
    """Two experiments with the scores of the images that both have; raises as `comparison.shared`."""
    where = f"{one.name} and {other.name} cannot be compared"
    pairs = {
        split: comparison.shared(where, split.replace("_", "-"), one.scores[split], other.scores[split])
        for split in SPLITS
    }
    first, second = (
        replace(
            run,
            scores={split: pair[side] for split, pair in pairs.items()},
            left_out={split: len(run.scores[split].images) - len(pair[side].images) for split, pair in pairs.items()},
        )
        for side, run in enumerate((one, other))
    )
    return first, second


def write_page(path: Path, before: Sequence[Experiment], after: Sequence[Experiment]) -> None:
    """Write the comparison as one HTML file, which appears whole or not at all."""
    from stages.figures import comparison_page  # with what draws charts, which takes longer than all other imports

    page = comparison_page.render(_side(before), _side(after), before[0].names, _titles(before[0].scores["held_out"]))
    with outputs.file(path) as stream:
        stream.writelines(page)
    print(f"compare: {path.stat().st_size / 1e6:.1f} MB: {path}")


def _side(runs: Sequence[Experiment]) -> "comparison_page.Side":
    from stages.figures import comparison_page, predicted

    name, shown = runs[0].name, str(paths.PREDICTED_MASKS)
    found: dict[str, dict[str, str]] | str
    try:
        masks = revisions.read(name, paths.PREDICTED_MASKS)
        found = predicted.read(io.StringIO(masks), f"{name}: {shown}", "run dvc repro --force evaluate")
    except UserError as error:
        found = f"{error} (dvc fetch or dvc pull --all-commits brings what another clone has pushed)"
    pooled = {split: comparison.pool([run.scores[split] for run in runs]) for split in SPLITS}
    matrices = [run.matrix for run in runs]
    names, first = [run.name for run in runs], runs[0].scores["held_out"]
    left_out = sum(run.left_out.get("held_out", 0) for run in runs)
    return comparison_page.Side(names, pooled, first, matrices, _mean_shares(matrices), found, left_out)


def load(name: str) -> Experiment:
    """Read an experiment's metrics from git.

    Raises:
        UserError: there is no such experiment or commit, or it has no such metrics.
    """
    where = f"{name}: {paths.IMAGES_TABLE}"
    scores = per_image.read(io.StringIO(revisions.read(name, paths.IMAGES_TABLE)), where, _metric(name))
    missing = [split for split in SPLITS if split not in scores]
    if missing:
        raise UserError(f"{where}: expected images of every split, found none of {', '.join(missing)}")
    text = revisions.read(name, paths.CONFUSION_TABLE)
    try:
        table = pd.read_csv(io.StringIO(text), dtype={"actual": str}, keep_default_na=False)
        names = [outputs.unescaped(name) for name in table["actual"].unique()]
        matrix = table["pixels"].to_numpy(np.int64).reshape(len(names), len(names))
    except (ValueError, KeyError, OverflowError) as error:  # ValueError: those of pandas too; else beyond 64 bits
        raise UserError(
            f"{name}: {paths.CONFUSION_TABLE}: expected a confusion matrix, found another table ({error})"
        ) from None
    return Experiment(name, scores, names, matrix)


def differences(a: ImageScores, b: ImageScores) -> str:
    """Table of figures, differences, their intervals, and what these mean in words."""
    rows, titles = [], _titles(a)
    for found in comparison.differences(a, b):
        title = titles.get(found.name) or found.name.replace("positive_dice", "Dice").replace(".", " of ")
        interval = f"{found.interval[0]:+.4f} … {found.interval[1]:+.4f}" if found.interval else ""
        difference = _format(found.b - found.a, "+.4f")
        rows.append([title, _format(found.a), _format(found.b), difference, interval, found.verdict()])
    return _table(["", "A", "B", "B - A", "95% interval", ""], rows)


def matrices(before: list[Int64], after: list[Int64], names: list[str]) -> str:
    """Confusion matrices (means of several runs) and their difference side by side, as shares of the true class."""
    a, b = (_mean_shares(runs) for runs in (before, after))
    parts = [("A", a, ".4f"), ("B", b, ".4f"), ("B - A", b - a, "+.4f")]
    header = ["true \\ predicted"] + [f"{title}: {name}" for title, _, _ in parts for name in names]
    rows = [
        [name, *(format(value, form) for _, values, form in parts for value in values[row])]
        for row, name in enumerate(names)
    ]
    return f"Confusion matrices of the held-out fold, share of the true class's pixels\n\n{_table(header, rows)}"


def pairs(before: Sequence[Experiment], after: Sequence[Experiment]) -> str:
    """The differences of each pair alone: how much one training differs from another."""
    rows, titles = [], _titles(before[0].scores["held_out"])
    for one, other in zip(before, after, strict=True):
        a, b = (bootstrap.figures(run.scores["held_out"]) for run in (one, other))
        differences = [_format(float(b[name][0] - a[name][0]), "+.4f") for name in titles]
        rows.append([f"{other.name} - {one.name}", *differences])
    return f"Each pair alone\n\n{_table(['held-out fold', *titles.values()], rows)}"


def _titles(scores: ImageScores) -> dict[str, str]:
    """The figures by name; the competition's score comes first if it is another one than mean Dice."""
    return TITLES if scores.metric == per_image.USUAL else {"score": metric.title(scores.metric)} | TITLES


def _metric(name: str) -> Metric:
    """By what an experiment is scored; mean Dice for those of before it could be stated."""
    if name == revisions.WORKSPACE and not paths.PARAMS.is_file():
        return Metric()
    content = yaml_files.parsed(revisions.read(name, paths.PARAMS), f"{name}: {paths.PARAMS}")
    competition = content.get("competition") if isinstance(content, dict) else None
    if not isinstance(competition, dict) or "metric" not in competition:
        return Metric()
    try:
        return Layout.of(settings.parsed(content).competition).metric
    except UserError:
        raise UserError(
            f"{name}: {paths.PARAMS}: expected competition.metric as today's parameters have it, found others"
        ) from None


def _mean_shares(runs: list[Int64]) -> Float64:
    """Shares of the true class, for each class the mean over the runs in which it occurs; 0 if it occurs in none."""
    occurs = np.array([matrix.sum(axis=1) > 0 for matrix in runs])  # (run, class)
    shares = np.array([confusion.shares(matrix) for matrix in runs])
    total: Float64 = shares.sum(axis=0) / np.maximum(occurs.sum(axis=0), 1)[:, np.newaxis]
    return total


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = ["left"] + ["right"] * (len(header) - 1)
    return str(tabulate(rows, header, tablefmt="pipe", colalign=align, disable_numparse=True))


def _counted(scores: ImageScores, seeds: int) -> str:
    runs = f" of {seeds} runs" if seeds > 1 else ""
    return f"{len(scores.images)} images{runs} in {len(np.unique(scores.groups))} groups of near-duplicates"


def _left_out(before: Sequence[Experiment], after: Sequence[Experiment], split: str) -> str:
    """How many images of a split only one side has; empty if none."""
    only = [sum(run.left_out.get(split, 0) for run in runs) for runs in (before, after)]
    return f"; left out: {only[0]} that only A has, {only[1]} that only B has" if any(only) else ""


def _format(value: float, form: str = ".4f") -> str:
    return "undefined" if np.isnan(value) else format(value, form)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("first", metavar="A", help="an experiment, or several separated by commas")
    parser.add_argument("second", metavar="B", help="the same number of others")
    parser.add_argument("--losses", action="store_true", help="A and B are losses: run compare-A and compare-B first")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as a page with images, too")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if there is one")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    if given.html is not None:
        free_path.check("--html", given.html, overwrite=given.overwrite)
    first, second = given.first.split(","), given.second.split(",")
    if given.losses:
        for loss in (*first, *second):
            if loss not in LOSSES:
                raise UserError(f"expected losses, one of {', '.join(LOSSES)}; found {loss!r}")
        names = variants.run("train.loss", [*first, *second])
        first, second = names[: len(first)], names[len(first) :]
    before, after = load_pairs(first, second)
    print(text(before, after))
    if given.html is not None:
        write_page(given.html, before, after)
