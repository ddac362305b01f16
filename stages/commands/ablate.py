"""Switch one thing at a time on a fixed budget, and write what each step gained to metrics/ablation.csv.

    make ablation SOURCE=/path/to/steel-900.zip
    python -m stages ablate --source /path/to/steel-900.zip --only base "loss cce"
    python -m stages ablate --show                          # the table as it is; runs nothing

ablation.yaml says which steps; they run in data/ablation, on top of params.yaml as it is here. What is done is not run
again while parameters, code and data stay the same. All figures are of the validation folds; the held-out fold is read
for the last row alone. It is a command, no stage: it stands outside dvc.yaml.
"""

import argparse
import csv
import hashlib
from pathlib import Path

import yaml

from stages.ablation import gains, runs
from stages.ablation import plan as ledger
from stages.ablation.gains import Result
from stages.ablation.plan import Params, Plan, Row
from stages.ablation.runs import DATA_STAGES, DONE, FOLDER, ROW_STAGES, Described, Job, Runner, run_stage
from stages.dataset.prepared import SUMMARY
from stages.pipeline import outputs, paths, settings
from stages.pipeline.cli import UserError

PLAN = Path("ablation.yaml")
TABLE = Path("metrics/ablation.csv")


def ablate(
    source: str | None = None, only: list[str] | None = None, budget: float | None = None, runner: Runner = run_stage
) -> None:
    """Run what is not done yet, and write the table after every row.

    Args:
        source: as download.source; None: as ablation.yaml has it.
        only: names of the rows to run; None: all.
        budget: seconds that one training may take; None: as ablation.yaml has it.
        runner: runs a stage, as `run_stage` does.

    Raises:
        UserError: ablation.yaml or params.yaml is wrong, which is told before anything runs; or a stage failed.
    """
    settings.load()
    plan = _with_source(ledger.read(PLAN), source)
    rows = ledger.rows(plan, yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8")), PLAN)
    chosen = _chosen(rows, only)
    allowed = plan.budget if budget is None else budget
    described = runs.described()
    jobs = _jobs(rows, described, _prepare(rows[0].params, described, runner))
    for number, row in enumerate(chosen, start=1):
        for job in jobs[row.name]:
            title = f"{number}/{len(chosen)} {row.name}, seed {job.seed}"
            if job.seconds() is None:
                runs.run(job, runner, title)
            else:
                print(f"ablate: {title}: done before", flush=True)
        longest = max(_write(rows, jobs, allowed)[row.name].training.values())
        if longest > allowed:
            print(f"ablate: {row.name}: over the budget: a training took {longest:.0f} s of {allowed:g} s")
    print(show())


def show() -> str:
    """The table that metrics/ablation.csv holds, for people.

    Raises:
        UserError: there is none.
    """
    if not TABLE.is_file():
        raise UserError(f"{TABLE}: expected the ledger, found none: run make ablation")
    with TABLE.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    header = ["step", "beside", "seeds", "mean Dice", "gain", "95% interval", "Dice where there is a mask", "gain",
              "95% interval", "seed spread", "seconds", "verdict"]  # fmt: skip
    cells = [
        [line["step"], line["beside"], line["seeds"], _shown(line["mean_dice"]),
         _signed(line["mean_dice_gain"]), _interval(line, "mean_dice"), _shown(line["positive_mean_dice"]),
         _signed(line["positive_gain"]), _interval(line, "positive"), _shown(line["seed_spread"]),
         f"{float(line['seconds']):.0f}" + " (over budget)" * (line["over_budget"] == "1"), line["verdict"]]
        for line in lines
    ]  # fmt: skip
    parts = [f"Validation folds; gains over the row beside, verdicts on mean Dice\n\n{_aligned([header, *cells])}"]
    for line in lines:
        if line["held_out_mean_dice"]:
            parts.append(
                f"Held-out fold, {line['step']}: mean Dice {_shown(line['held_out_mean_dice'])}, "
                f"where there is a mask {_shown(line['held_out_positive_mean_dice'])}"
            )
    return "\n\n".join(parts)


def _with_source(plan: Plan, source: str | None) -> Plan:
    """The plan, in whose base the source of the data stands."""
    given = source or plan.source or plan.base.get("download.source")
    if not given:
        raise UserError(
            f"{PLAN}: source: expected sample, kaggle or a path, found none: give it there, "
            "or as make ablation SOURCE=/path/to/data.zip"
        )
    return plan.model_copy(update={"base": plan.base | {"download.source": given}})


def _chosen(rows: list[Row], only: list[str] | None) -> list[Row]:
    unknown = sorted(set(only or []) - {row.name for row in rows})
    if unknown:
        names = ", ".join(row.name for row in rows)
        raise UserError(f"--only: expected rows of {PLAN} ({names}), found {', '.join(unknown)}")
    return [row for row in rows if only is None or row.name in only]


def _prepare(params: Params, described: Described, runner: Runner) -> str:
    """Bring and prepare the data that all rows share, unless that is done; returns a digest of how."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    known, before = runs.known(FOLDER / DONE), ""
    done: dict[str, str] = {}
    for stage, result in zip(DATA_STAGES, (paths.RAW, paths.PREPARED), strict=True):
        before = runs.digest((stage,), described, params, before)
        if known.get(stage) != before or not (FOLDER / result).is_dir():
            outputs.write_metrics(FOLDER / DONE, done)
            runs.write_params(FOLDER, params)
            runs.finish(stage, FOLDER, runner, "data of all rows")
        done[stage] = before
        outputs.write_metrics(FOLDER / DONE, known | done)
    return before


def _jobs(rows: list[Row], described: Described, data: str) -> dict[str, list[Job]]:
    """The runs of every row. Code is looked at here, once: what changes while rows run counts from the next time on."""
    # A path is read once: whoever removes data/ablation/data has it read again, and other contents are another digest.
    summary = hashlib.sha256((FOLDER / paths.PREPARED / SUMMARY).read_bytes()).hexdigest()
    # Networks are found again after many a change of the code, so the code is left out here.
    training = {"train": {"params": described["train"].get("params", [])}}

    def job(row: Row, seed: int) -> Job:
        params = row.params | {"seed": seed}
        return Job(
            row,
            seed,
            FOLDER / row.slug / f"seed_{seed}",
            runs.digest(ROW_STAGES, described, params, data + summary),
            runs.digest(("train",), training, params, summary),
        )

    return {row.name: [job(row, seed) for seed in row.seeds] for row in rows}


def _write(rows: list[Row], jobs: dict[str, list[Job]], budget: float) -> dict[str, Result]:
    """Write the table of all rows that are done; returns what they gave, by name."""
    results = {row.name: result for row in rows if (result := runs.result(row, jobs[row.name]))}
    lines = [
        gains.line(row, results[row.name], results.get(row.beside) if row.beside else None, budget)
        for row in rows
        if row.name in results
    ]
    outputs.write_table(TABLE, gains.HEADER, lines)
    return results


def _aligned(rows: list[list[str]]) -> str:
    """A Markdown table whose columns are aligned for the eye too."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def _shown(cell: str) -> str:
    return f"{float(cell):.4f}" if cell else ""


def _signed(cell: str) -> str:
    return f"{float(cell):+.4f}" if cell else ""


def _interval(line: dict[str, str], figure: str) -> str:
    low, high = line[f"{figure}_low"], line[f"{figure}_high"]
    return f"{_signed(low)} … {_signed(high)}" if low and high else ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--source", help="where the data is, as download.source in params.yaml")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these rows of ablation.yaml and no others")
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="that one training may take")
    parser.add_argument("--show", action="store_true", help="print the table as it is, and run nothing")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    if given.show:
        print(show())
    else:
        ablate(given.source, given.only, given.budget)
