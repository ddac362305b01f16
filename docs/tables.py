"""Markdown tables of committed figures, as the pages in docs/ show them.

python -m docs.tables evaluation metrics/submissions/steel-900.evaluation.json
python -m docs.tables benchmarks
python -m docs.tables peers
python -m docs.tables loader
python -m docs.tables precision
python -m docs.tables full-scale
python -m docs.tables study steel-900
python -m docs.tables gpu
python -m docs.tables expected-dice docs/studies/expected-dice-steel-900.json
"""

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

BENCHMARKS = Path("metrics/benchmarks.json")
FULL_SCALE = Path("metrics/full_scale.json")
EXPECTED_DICE = Path("metrics/expected_dice.json")
GPU = Path("metrics/gpu.json")
LOADER = Path("metrics/loader.json")
STUDIES = Path("docs/studies")
STUDY = STUDIES / "cce-and-dice.json"
STAGES = (
    "download", "explore", "preprocess", "check_data", "pseudo_label", "train", "quantize", "infer", "infer_test",
    "postprocess", "evaluate", "expected_dice", "predict", "kernel", "report",
)  # fmt: skip
LOSSES = ("cce", "cce_dice")
# Labels of the recorded benchmarks that have another name today, or that only make sense below another row.
LABELS = {
    "peak memory of alarms, 2,000 images": "peak memory of check_data, 2,000 images",
    "start of `python -m stages.submit --help`": "start of `python -m stages submit --help`",
    "the same at half resolution":
        "a step of `train`, ResNet18 U-Net, 128×256, batch 8, half resolution",
}  # fmt: skip


def evaluation(path: Path) -> str:
    """The headline, the classes and the confusion matrix of an evaluation.json."""
    figures = _read(path)
    held_out, validation = figures, figures["validation"]
    without = [part["without_postprocessing"] for part in (held_out, validation)]
    headline = [
        ["mean Dice", held_out["mean_dice"], validation["mean_dice"]],
        ["mean Dice of predicting nothing", held_out["all_empty_mean_dice"], validation["all_empty_mean_dice"]],
        ["Dice where there is a mask", held_out["positive_mean_dice"], validation["positive_mean_dice"]],
        *(
            [f"{title}, without post-processing", *(raw[key] for raw in without)]
            for key, title in (("mean_dice", "mean Dice"), ("positive_mean_dice", "Dice where there is a mask"))
        ),
    ]  # fmt: skip
    return "\n\n".join(
        [
            _table(["", "held out", "validation (cross-fitted)"], headline),
            classes(path),
            _table(
                ["true \\ predicted", *held_out["confusion"]],
                [[name, *shares.values()] for name, shares in held_out["confusion"].items()],
                ".4f",
            ),
        ]
    )


def classes(path: Path) -> str:
    """The classes of an evaluation.json, held-out fold."""
    figures = _read(path)
    rows = [
        [name, dice, *(figures["classes"][name][key] for key in ("precision", "recall", "f1", "iou"))]
        for name, dice in figures["positive_dice"].items()
    ]
    return _table(["held-out fold", "Dice where there is a mask", "precision", "recall", "F1", "IoU"], rows)


def benchmarks() -> str:
    """The rows that have a target, without those of other frameworks; what misses it is bold."""
    return _benchmarks({name: row for name, row in _read(BENCHMARKS).items() if row["to_reach"] and not _peer(name)})


def peers() -> str:
    """The rows that compare with other frameworks; what misses its target is bold."""
    return _benchmarks({name: row for name, row in _read(BENCHMARKS).items() if _peer(name)})


def _peer(name: str) -> bool:
    return name.startswith(("training-peer-", "submission-peer-", "network-"))


def _benchmarks(found: dict[str, Any]) -> str:
    rows = []
    for row in found.values():
        ratio = f"{row['ratio']:.3g}" if row["ratio"] >= 10 else f"{row['ratio']:.2f}"
        limit = "at most" if row["at_most"] else "at least"
        target = "–" if row["to_reach"] is None else f"{limit} {row['to_reach']:g}"
        work = LABELS.get(row["work"], row["work"])
        rows.append([work, row["beside"], f"**{ratio}**" if row["met"] is False else ratio, target])
    return _table(["work", "compared with", "ratio", "target"], rows, texts=2)


def full_scale() -> str:
    """Seconds, memory and disk of each stage; what was computed from a part stands in brackets."""
    stages = _read(FULL_SCALE)["stages"]
    rows = []
    for name in (name for name in STAGES if name in stages):  # an earlier version had no stage quantize
        stage = stages[name]
        form = "({:,.0f})" if stage["computed"] else "{:,.0f}"
        grows = stage["computed"] and stage["disk_megabytes"] and name != "train"
        disk = ("({:,.0f})" if grows else "{:,.0f}").format(stage["disk_megabytes"])
        rows.append([f"`{name}`", form.format(stage["seconds"]), f"{stage['peak_megabytes']:,.0f}", disk])
    return _table(["stage", "seconds", "peak memory, MB", "disk, MB"], rows)


def study(name: str) -> str:
    """Figures and differences of the two losses on one data set, then the differences of each seed."""
    data = _read(STUDY)[name]
    rows = []
    for row in data["figures"]:
        low, high = row["interval"] or (0, 0)
        verdict = "CCE+Dice is higher" if low > 0 else "CCE is higher" if high < 0 else "the data cannot tell"
        interval = f"{low:+.4f} … {high:+.4f}" if row["interval"] else "too few images"
        values = [
            "undefined" if value is None else format(value, form)
            for value, form in ((row["cce"], ".4f"), (row["cce_dice"], ".4f"), (row["difference"], "+.4f"))
        ]
        rows.append([row["figure"], *values, interval, verdict])
    seeds = [
        [str(seed), *(f"{value:+.4f}" for value in differences.values())]
        for seed, differences in enumerate(data["differences_by_seed"], start=1)
    ]
    header = ["seed", "mean Dice", "Dice where there is a mask", "mean precision", "mean recall"]
    return "\n\n".join(
        [
            _table(["", "CCE", "CCE+Dice", "difference", "95% interval", ""], rows),
            "CCE+Dice minus CCE, each seed alone:",
            _table(header, seeds),
        ]
    )


GPU_TRAININGS = {
    "training": "",
    "training_xla": ", with XLA",
    "training_not_deterministic": ", without determinism",
}


def gpu(path: Path = GPU) -> str:
    """What `make gpu-check` has measured, and why some figures are missing; one sentence if there is no such file."""
    if not path.exists():
        return "Not yet run on a GPU."
    found = _read(path)
    device = found["device"]
    rows: list[list[str | float | None]] = []
    for name, title in GPU_TRAININGS.items():
        for precision, of in found[name].items():
            cells = [of.get(key) for key in ("seconds_per_step", "images_per_second", "peak_megabytes")]
            rows.append([f"training step, {precision}{title}", *_figures(cells)])
    for of in sorted(found["inference"].values(), key=lambda of: of.get("batch", 0)):
        rate = of["images_per_second"]
        cells = [of["batch"] / rate, rate, of["peak_megabytes"]] if rate else [None] * 3
        rows.append([f"inference, batch of {of['batch']}" if rate else "inference", *_figures(cells)])
    single = [
        ["crops that the loader makes, per second", found["loader"]["crops_per_second"]],
        ["share of a training in which the GPU waits for crops", found["loader"].get("waiting_share")],
        ["step with MirroredStrategy on one device, divided by one without", found["one_device_strategy"].get("ratio")],
        ["step in an epoch of drawn images, s", found["epoch"]["seconds_per_step"]],
        ["the whole training of the recipe, computed, hours", found["projection"]["hours"]],
    ]
    title = (
        f"{device['name'] or 'No GPU'} (compute capability {device['compute_capability']}, driver {device['driver']}), "
        f"TensorFlow {device['tensorflow']}:"
    )
    parts = [
        title,
        _table(["recipe `severstal`", "seconds", "images per second", "peak memory, MB"], rows),
        _table(["", "figure"], [[name, *_figures([value])] for name, value in single]),
    ]
    reasons = [f"- {name}: {why}" for name, why in _reasons(found)]
    return "\n\n".join([*parts, *(["Not measured:\n\n" + "\n".join(reasons)] if reasons else [])])


def precision() -> str:
    """What training in bfloat16 changes on the validation folds, on both data sets."""
    rows = []
    for data in ("steel-900", "sample"):
        exact, rounded = csv.DictReader((STUDIES / f"precision-{data}.csv").read_text(encoding="utf-8").splitlines())
        for figure, kind, title in (
            ("mean_dice", "mean_dice", "mean Dice"),
            ("positive_mean_dice", "positive", "Dice where there is a mask"),
        ):
            gain, low, high = (float(rounded[f"{kind}_{part}"]) for part in ("gain", "low", "high"))
            means = [f"{float(row[figure]):.4f}" for row in (exact, rounded)]
            rows.append([data, title, *means, f"{gain:+.4f}", f"{low:+.4f} … {high:+.4f}"])
    return _table(["data", "validation", "float32", "bfloat16", "difference", "95% interval"], rows, texts=2)


def loader(path: Path = LOADER) -> str:
    """Crops per second that the loader makes, by cores: what `python -m tests.benchmarks.loader` has measured."""
    if not path.exists():
        return "Not yet measured."
    found = _read(path)
    kinds = {name: of for name, of in found.items() if isinstance(of, dict)}
    columns = dict.fromkeys(name for of in kinds.values() for name in of)
    header = ["crops of 256×512 per second", *(name.replace("_", " ") for name in columns)]
    return _table(header, [[kind, *_figures([of.get(name) for name in columns])] for kind, of in kinds.items()])


def expected_dice(path: Path = EXPECTED_DICE) -> str:
    """How many intervals of the expected Dice hold on the held-out fold, by whether there is a predicted mask."""
    kinds = {"marked": "with a predicted mask", "empty": "without one"}
    rows = [(title, _read(path)["held_out"][kind]) for kind, title in kinds.items()]
    header = ["pairs of image and class", "pairs", "expected", "found", "intervals that hold", "mean width"]
    table = []
    for title, of in rows:
        figures = [of["expected"], of["found"], _held(of), of["width"], of["rank_correlation"]]
        table.append([title, str(of["pairs"]), *figures])
    return _table([*header, "rank correlation"], table)


def _held(of: dict[str, Any]) -> str | None:
    if of["coverage"] is None:
        return None
    return f"{of['coverage']:.1%} ({of['coverage_low']:.1%} to {of['coverage_high']:.1%})"


def _figures(cells: Sequence[float | None]) -> list[str | float | None]:
    """Three significant digits, and whole numbers from 1,000."""
    return [None if cell is None else f"{cell:,.0f}" if cell >= 1000 else f"{cell:.3g}" for cell in cells]


def _reasons(found: dict[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        if isinstance(value, dict):
            if "reason" in value:
                yield f"{before}{name}", value["reason"]
            else:
                yield from _reasons(value, f"{before}{name}.")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str | float | None]], form: str = ".3f", texts: int = 1
) -> str:
    """Markdown; the first `texts` columns are aligned left, the others right."""
    cells = [
        ["–" if cell is None else cell if isinstance(cell, str) else format(cell, form) for cell in row] for row in rows
    ]
    align = ["left"] * texts + ["right"] * (len(header) - texts)
    return str(tabulate(cells, header, tablefmt="pipe", colalign=align, disable_numparse=True))


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = parser.add_subparsers(dest="table", required=True)
    for name in ("evaluation", "classes"):
        names.add_parser(name).add_argument("path", type=Path)
    names.add_parser("benchmarks")
    names.add_parser("peers")
    names.add_parser("full-scale")
    names.add_parser("gpu")
    names.add_parser("expected-dice").add_argument("path", type=Path, nargs="?", default=EXPECTED_DICE)
    names.add_parser("loader")
    names.add_parser("precision")
    names.add_parser("study").add_argument("data", choices=_read(STUDY))
    given = parser.parse_args()
    if given.table in ("evaluation", "classes"):
        print((evaluation if given.table == "evaluation" else classes)(given.path))
    elif given.table == "expected-dice":
        print(expected_dice(given.path))
    elif given.table == "study":
        print(study(given.data))
    else:
        tables = {
            "benchmarks": benchmarks, "peers": peers, "full-scale": full_scale, "gpu": gpu, "loader": loader,
            "precision": precision,
        }  # fmt: skip
        print(tables[given.table]())


if __name__ == "__main__":
    main()
