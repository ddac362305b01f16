"""Measure how fast the pipeline is compared with other code; no test asserts a time.

    python -m tests.benchmarks                          # all but the group `memory`
    python -m tests.benchmarks --only memory            # how memory grows with the data
    python -m tests.benchmarks --only masks data-batches --quick

The two tasks of a row run in turns, and the median ratio of these pairs is the result. Prints a table and writes
metrics/benchmarks.json; rows that were not measured are kept. Measure on an idle machine. --quick only shows that
everything works, and writes nothing without --output.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path

from tests.benchmarks.measuring import ROWS, Figures, measure
from tests.benchmarks.rows import Place, Row

ROOT = Path(__file__).parents[2]
OUTPUT = Path("metrics/benchmarks.json")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="rows, or groups of rows (before the first dash)")
    parser.add_argument("--quick", action="store_true", help="sizes so small that the figures mean nothing")
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"default: {OUTPUT}")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="FOLDER",
        help="keep generated data here; default: do not",
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="the real annotations")
    given = parser.parse_args(arguments)
    chosen = [row for row in ROWS if row.group != "memory"] if not given.only else choose(given.only, parser)
    output = given.output or (None if given.quick else OUTPUT)
    with tempfile.TemporaryDirectory(prefix="benchmarks.") as temporary:
        place = Place((given.folder or Path(temporary)).resolve(), given.quick, given.data.resolve())
        measured: dict[str, Figures] = {}
        for _, rows in groupby(chosen, key=lambda row: row.group):
            # One process per group, so that TensorFlow's switches and threads do not affect other groups.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                measured |= pool.submit(measure, [row.name for row in rows], place).result()
            if output:
                write(output, measured)
    print(table(measured))


def choose(names: list[str], parser: argparse.ArgumentParser) -> list[Row]:
    """The rows with these names or in these groups, in the order of the table."""
    known = {row.name for row in ROWS} | {row.group for row in ROWS}
    if unknown := sorted(set(names) - known):
        parser.error(f"--only: expected some of {', '.join(sorted(known))}; found {', '.join(unknown)}")
    return [row for row in ROWS if {row.name, row.group} & set(names)]


def write(path: Path, measured: dict[str, Figures]) -> None:
    """Replace these rows in the file, and keep the others."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(known | measured, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(partial, path)


def table(measured: dict[str, Figures]) -> str:
    """The rows as Markdown. A ratio says how many times as fast ours is or, with an upper bound, as much it takes."""
    lines = [
        "| row | work | ours | compared with | the other | ratio (middle half) | to reach | met |",
        "| --- | --- | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for name, of in measured.items():
        bound = "–" if of["to_reach"] is None else f"{'at most' if of['at_most'] else 'at least'} {of['to_reach']:g}"
        met = {None: "–", True: "yes", False: "NO"}[of["met"]]
        spread = f"{of['ratio']:.2f} ({of['ratio_low']:.2f} … {of['ratio_high']:.2f})"
        ours, other = (format_figure(of[who], of["unit"]) for who in ("ours", "other"))
        lines.append(f"| {name} | {of['work']} | {ours} | {of['beside']} | {other} | {spread} | {bound} | {met} |")
    return "\n".join(lines)


def format_figure(value: float, unit: str) -> str:
    """A figure with its unit, seconds below one in milliseconds."""
    if unit == "s" and value < 1:
        return f"{1000 * value:.3g} ms"
    return f"{value:,.0f} {unit}" if unit == "MB" else f"{value:.3g} {unit}"


if __name__ == "__main__":
    main()
