"""Change one thing at a time, and write what each change gained to metrics/ablation.csv.

    make ablation DATA=/path/to/steel-900.zip
    python -m stages ablate --data /path/to/steel-900.zip --only baseline "label smoothing"
    python -m stages ablate --show                          # prints the table; runs nothing
    make ablation PLAN=docs/studies/sample.yaml             # the variants of another file

ablation.yaml lists the variants. Each is a DVC experiment per seed, `ablation-NAME-SEED`, run in a copy of the
repository on top of params.yaml as it is here. What has run with the same parameters and code is not run again. The
table holds the variants that have run with the present code, and no others. All figures are of the validation folds;
the held-out fold is read for the variant under `last` alone. The table of another plan, FOLDER/PLAN.yaml, is
FOLDER/PLAN.csv, and its experiments are `PLAN--NAME-SEED`.
"""

import argparse
import re
import shlex
from pathlib import Path

import pandas as pd

from stages.ablation import experiments, gains, plan, runs
from stages.ablation.gains import Result
from stages.ablation.plan import Params, Plan, Variant
from stages.ablation.runs import Runner
from stages.pipeline import outputs, paths, settings
from stages.pipeline.cli import UserError

PLAN = Path("ablation.yaml")
TABLE = Path("metrics/ablation.csv")
# Columns of the table for people: title, and the column or columns of metrics/ablation.csv.
SHOWN: dict[str, str | tuple[str, str]] = {
    "variant": "variant",
    "compared with": "compared_with",
    "seeds": "seeds",
    "mean Dice": "mean_dice",
    "gain": "mean_dice_gain",
    "95% interval": ("mean_dice_low", "mean_dice_high"),
    "Dice where there is a mask": "positive_mean_dice",
    "its gain": "positive_gain",
    "its 95% interval": ("positive_low", "positive_high"),
    "seed spread": "seed_spread",
    "verdict": "verdict",
}
# Before them, if the competition's score is another one than mean Dice.
SCORE: dict[str, str | tuple[str, str]] = {
    "variant": "variant",
    "score": "score",
    "score gain": "score_gain",
    "its 95 % interval": ("score_low", "score_high"),
}


def ablate(
    data: str | None = None, only: list[str] | None = None, runner: Runner = experiments.run, path: Path = PLAN
) -> None:
    """Run what has not run yet, and write the table after every variant.

    Args:
        data: as download.source; None: as in the plan.
        only: names of the variants to run; None: all.
        runner: runs an experiment, as `experiments.run` does.
        path: of the plan.

    Raises:
        UserError: the plan or params.yaml is wrong, which is reported before anything runs; or a run failed.
    """
    _check_name(path)
    _check_table(path)
    settings.load()
    workspace = experiments.mapping(paths.PARAMS.read_text(encoding="utf-8"), str(paths.PARAMS))
    variants = plan.variants(_with_data(plan.read(path), data, path), workspace, path)
    chosen = _chosen(variants, only, path)
    for number, variant in enumerate(chosen, start=1):
        for seed, run in runs.of(variant, workspace, _prefix(path)).items():
            title = f"{number}/{len(chosen)} {variant.name}, seed {seed}"
            if run.finished():
                print(f"ablate: {title}: already run, experiment {run.experiment}", flush=True)
                continue
            print(f"ablate: {title}: runs as the experiment {run.experiment}", flush=True)
            run.start(runner)
        _write(variants, workspace, path)
    print(show(path))


def table_of(path: Path) -> Path:
    """The table of a plan: metrics/ablation.csv, and for other plans than ablation.yaml the file beside them.

    >>> table_of(Path("docs/studies/sample.yaml")).as_posix()
    'docs/studies/sample.csv'
    """
    return TABLE if _is_default(path) else path.with_suffix(".csv")


def show(path: Path = PLAN) -> str:
    """The table of a plan as Markdown.

    Raises:
        UserError: there is no such file.
    """
    _check_name(path)
    file = table_of(path)
    again = f"run {_command(path)}"
    if not file.is_file():
        raise UserError(f"{file}: expected the table of an ablation, found none: {again}")
    try:
        table = pd.read_csv(file, dtype={"variant": str, "compared_with": str})
        for column in ("variant", "compared_with"):
            table[column] = table[column].map(outputs.unescaped, na_action="ignore")
        other = "score" in table and bool(table["score"].notna().any())
        shown = SCORE | SHOWN if other else SHOWN
        cells = pd.DataFrame({title: _column(table, columns) for title, columns in shown.items()})
        held_out = [
            f"Held-out fold, {row['variant']}: mean Dice {row['held_out_mean_dice']:.4f}, "
            f"where there is a mask {row['held_out_positive_mean_dice']:.4f}"
            for row in table[table["held_out_mean_dice"].notna()].to_dict("records")
        ]
    except (ValueError, KeyError, OverflowError) as error:  # ValueError: also of pandas and of the text's encoding
        raise UserError(
            f"{file}: expected the table of an ablation, found another ({error}): restore it from git, or {again}"
        ) from None
    parts = [
        'Validation folds. Gains are over the variant under "compared with"; verdicts are on '
        + ("the score of the competition." if other else "mean Dice."),
        cells.to_markdown(index=False, disable_numparse=True),
        *held_out,
    ]
    return "\n\n".join(parts)


def _is_default(path: Path) -> bool:
    return path.absolute() == PLAN.absolute()


def _prefix(path: Path) -> str:
    """How names of its experiments begin. Two hyphens are in no variant's name, so those of two plans never agree."""
    return "ablation-" if _is_default(path) else f"{path.stem}--"


def _command(path: Path) -> str:
    return "make ablation" + ("" if _is_default(path) else f" PLAN={shlex.quote(str(path))}")


def _check_name(path: Path) -> None:
    if path.suffix != ".yaml" or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", path.stem):
        raise UserError(
            f"--plan: expected a file with a name of small letters, digits and - that ends in .yaml, since its "
            f"experiments are named after it, found {str(path)!r}"
        )


def _check_table(path: Path) -> None:
    """Refuse to replace something else than the table of an ablation."""
    file = table_of(path)
    if _is_default(path) or not file.exists():
        return
    if not file.is_file() or not file.read_bytes().startswith((b"variant,", b"<<<<<<<")):
        raise UserError(
            f"{path}: expected no other file where its table is written, found {file}: rename the plan, or move {file}"
        )


def _column(table: pd.DataFrame, columns: str | tuple[str, str]) -> list[str]:
    if isinstance(columns, tuple):
        low, high = (_column(table, column) for column in columns)
        return [f"{a} … {b}" if a and b else "" for a, b in zip(low, high, strict=True)]
    if table[columns].dtype != float:
        return table[columns].fillna("").astype(str).tolist()
    form = "+.4f" if columns.endswith(("gain", "low", "high")) else ".4f"
    return ["" if pd.isna(value) else format(value, form) for value in table[columns]]


def _with_data(given: Plan, data: str | None, path: Path) -> Plan:
    """The plan, with the source of the data in its baseline."""
    source = data or given.data or given.baseline.set.get("download.source")
    if not source:
        raise UserError(
            f"{path}: data: expected sample, kaggle or a path, found none: set it there, or run "
            f"{_command(path)} DATA=/path/to/data.zip"
        )
    baseline = given.baseline.model_copy(update={"set": given.baseline.set | {"download.source": source}})
    return given.model_copy(update={"baseline": baseline})


def _chosen(variants: list[Variant], only: list[str] | None, path: Path) -> list[Variant]:
    unknown = sorted(set(only or []) - {variant.name for variant in variants})
    if unknown:
        names = ", ".join(variant.name for variant in variants)
        raise UserError(f"--only: expected variants of {path} ({names}), found {', '.join(unknown)}")
    return [variant for variant in variants if only is None or variant.name in only]


def _write(variants: list[Variant], workspace: Params, path: Path) -> None:
    """Write the table of all variants that have run."""
    found = {variant.name: runs.result(variant, workspace, _prefix(path)) for variant in variants}
    results: dict[str, Result] = {name: result for name, result in found.items() if result}
    lines = [
        gains.line(variant, results[variant.name], results.get(variant.compared_with or ""))
        for variant in variants
        if variant.name in results
    ]
    outputs.write_table(table_of(path), gains.HEADER, lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--data", metavar="PATH", help="where the data is, as download.source in params.yaml")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these variants and no others")
    parser.add_argument(
        "--plan",
        metavar="FILE",
        type=Path,
        default=PLAN,
        help="the variants; default: %(default)s",
    )
    parser.add_argument("--show", action="store_true", help="print the table as it is, and run nothing")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    if given.show:
        print(show(given.plan))
    else:
        ablate(given.data, given.only, path=given.plan)
