"""List the experiments of the current commit: the figures to choose by, not the hundreds of columns of `dvc exp show`.

    python -m stages experiments
    python -m stages experiments --all          # with all parameters in which they differ
    python -m stages experiments --held-out     # of the held-out fold: report these figures, do not choose by them

Figures are those of the validation folds, with 95% intervals of a bootstrap over groups of near-duplicates: two
experiments whose intervals overlap may still differ, and `python -m stages compare A B` says whether they do. Minutes
are known of the trainings that this machine ran.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

from stages.ablation import experiments
from stages.dataset.layout import Layout, Metric
from stages.pipeline import paths, settings, training_times
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.scoring import bootstrap, per_image
from stages.scoring.per_image import ImageScores

WORKSPACE = "workspace"
LOSS = "train.loss"
TITLES = {"score": "score", "mean_dice": "mean Dice", "positive_mean_dice": "Dice where there is a mask"}
MISSING = "-"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        name: of the experiment, with its state unless it has finished; or the branch, or `workspace`.
        revision: the commit that holds it, or `workspace`.
        params: values by section and key; empty if it has none yet.
        metrics: the content of metrics/evaluation.json; empty if it has none yet.
        trained: the content of metrics/train.json; empty if it has none yet.
    """

    name: str
    revision: str
    params: dict[str, Any]
    metrics: dict[str, Any]
    trained: dict[str, Any]


def read(shown: list[dict[str, Any]]) -> list[Line]:
    """The lines of the table: workspace, current commit, and its experiments.

    Args:
        shown: what `dvc exp show --json` prints.
    """
    found = []
    for baseline in shown:
        found.append(_experiment(baseline, baseline["name"], None))
        for each in baseline["experiments"] or []:
            (newest, *_) = each["revs"]
            found.append(_experiment(newest, each["name"], each.get("executor")))
    return found


def table(found: list[Line], split: str, every_parameter: bool) -> str:
    """The experiments as a table in Markdown.

    Args:
        found: the experiments.
        split: "validation" or "held_out".
        every_parameter: whether to show all parameters that differ, and not the loss alone.
    """
    flat = [experiments.flat(each.params) for each in found]
    shown = [LOSS, *(_differing(flat) if every_parameter else [])]
    scored = any(_metric(each) != Metric() for each in found)
    names = [name for name in TITLES if scored or name != "score"]
    rows = []
    times = training_times.kept([each.trained for each in found])
    for each, params, seconds in zip(bar(found, "experiments", unit="experiments"), flat, times, strict=True):
        figures = [*_figures(each, split, names), MISSING if seconds is None else f"{seconds / 60:.1f}"]
        rows.append([each.name, *(_text(params, name) for name in shown), *figures])
    header = ["experiment", *(name.removeprefix("train.") if name == LOSS else name for name in shown)]
    header += [*(TITLES[name] for name in names), "minutes of training"]
    align = ["left"] * (1 + len(shown)) + ["right"] * (len(names) + 1)
    return str(tabulate(rows, header, tablefmt="pipe", colalign=align, disable_numparse=True))


def _experiment(shown: dict[str, Any], name: str | None, executor: dict[str, Any] | None) -> Line:
    content = shown["data"] or {}
    name = name or (shown["rev"] if shown["rev"] == WORKSPACE else shown["rev"][:7])
    params, metrics, trained = (
        (content.get(kind) or {}).get(path.as_posix(), {}).get("data") or {}
        for kind, path in (
            ("params", paths.PARAMS), ("metrics", paths.EVALUATION_METRICS), ("metrics", paths.TRAIN_METRICS),
        )
    )  # fmt: skip
    state = "failed" if shown.get("error") else (executor or {}).get("state")
    state = None if state in (None, "success") else str(state)
    return Line(f"{name} ({state.lower()})" if state else name, shown["rev"], params, metrics, trained)


def _figures(each: Line, split: str, names: list[str]) -> list[str]:
    """Figures of one split by name, each with its interval if metrics/images.csv tells it."""
    figures = each.metrics.get("validation") if split == "validation" else each.metrics
    if not isinstance(figures, dict) or not figures:
        return [MISSING] * len(names)
    scores = _scores(each, split)
    drawn = {} if scores is None else bootstrap.figures(scores, bootstrap.draws(scores.groups))
    texts = []
    for name in names:
        value, drawn_name = figures.get(name), name if name in drawn else "mean_dice"
        text = MISSING if value is None else f"{value:.3f}"
        few = scores is None or bootstrap.groups(scores, drawn_name) < bootstrap.FEWEST
        between = None if few else bootstrap.interval(drawn[drawn_name])
        texts.append(text if between is None or value is None else f"{text} ({between[0]:.3f} … {between[1]:.3f})")
    return texts


def _scores(each: Line, split: str) -> ImageScores | None:
    """The scores of an experiment's images; None if it has none that this version can read."""
    try:
        if each.revision == WORKSPACE:
            text = paths.IMAGES_TABLE.read_text(encoding="utf-8")
        else:
            text = experiments.read(each.revision, paths.IMAGES_TABLE)
        return per_image.read(text.splitlines(keepends=True), each.name, _metric(each)).get(split)
    except (UserError, OSError, UnicodeDecodeError):
        return None


def _metric(each: Line) -> Metric:
    """By what an experiment is scored; mean Dice if its parameters are not those of this version."""
    try:
        return Layout.of(settings.parsed(each.params).competition).metric
    except UserError:
        return Metric()


def _differing(flat: list[dict[str, Any]]) -> list[str]:
    """Names of the parameters, but the loss, that have several values among those that have parameters."""
    known = [params for params in flat if params]
    names = dict.fromkeys(name for params in known for name in params)
    return [name for name in names if name != LOSS and len({repr(params.get(name)) for params in known}) > 1]


def _text(params: dict[str, Any], name: str) -> str:
    return json.dumps(params[name], ensure_ascii=False).strip('"') if name in params else MISSING


def _shown_by_dvc() -> list[dict[str, Any]]:
    if not Path(".dvc").is_dir():
        raise UserError("expected to run in the project's folder, found no .dvc here")
    command = [sys.executable, "-m", "dvc", "exp", "show", "--json"]
    ran = subprocess.run(command, text=True, capture_output=True, encoding="utf-8")  # noqa: S603
    if ran.returncode:
        raise UserError(f"dvc exp show: expected the experiments of this repository, found: {ran.stderr.strip()}")
    content: list[dict[str, Any]] = json.loads(ran.stdout)
    return content


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--all", action="store_true", help="show all parameters in which the experiments differ")
    parser.add_argument("--held-out", action="store_true", help="figures of the held-out fold, which is for reporting")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    shown = _shown_by_dvc()
    found = read(shown)
    title = "Held-out fold (report this)" if given.held_out else "Validation folds (choose by these)"
    print(f"{title}, with 95% intervals\n")
    print(table(found, "held_out" if given.held_out else "validation", given.all))
    if len(found) == len(shown):
        print("\nNo experiments of the current commit yet: dvc exp run -n NAME -S train.loss=cce makes one")
    print("\nThose of other commits: dvc exp show --all-commits")
