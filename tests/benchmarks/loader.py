"""Crops per second that the loader makes: on one core and on all, and per second of processor time.

    python -m tests.benchmarks.loader            # on an idle machine; writes metrics/loader.json

Crops of 256×512 from the built-in sample, in batches of 8, as `train` gets them: from threads of its process, or from
processes, one for each core. `plain` has the parameters of params.yaml; `everything` adds rotation and noise. Beyond
the cores of this machine, the rate is computed: the part of the work that one core must do alone follows from the rates
on one core and on all (Amdahl's law).
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # comes with dvc

from tests.benchmarks import data, samples

OUTPUT = Path("metrics/loader.json")
CROP = {"crop_height": 256, "crop_width": 512, "batch_size": 8, "max_black_fraction": 1.0}
KINDS = {"plain": {}, "everything": {"rotation": 15, "noise": 0.03}}
MAKERS = ("threads", "processes")
IMAGES, BEYOND, ROUNDS = 48, (4, 8, 16), 5


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.loader",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round (default: 3)")
    parser.add_argument("--output", type=Path, metavar="FILE", default=OUTPUT, help=f"default: {OUTPUT}")
    given = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="loader.") as folder:
        samples.work_folder(Path(folder), IMAGES, preprocess={"folds": 3})
        found = {
            f"{kind}, {makers}": measure(Work(Path(folder), kind, makers == "processes", given.seconds), cores)
            for kind in KINDS
            for makers in MAKERS
        }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found | {"cores": cores}, indent=2) + "\n", encoding="utf-8")
    for kind, figures in found.items():
        print(f"{kind}: " + ", ".join(f"{name} {value:,.0f}" for name, value in figures.items()))


@dataclass(frozen=True)
class Work:
    """What is measured.

    Attributes:
        folder: for the images.
        kind: of crops.
        processes: whether processes make them; else threads.
        seconds: of each round.
    """

    folder: Path
    kind: str
    processes: bool
    seconds: float


def measure(work: Work, cores: int) -> dict[str, float]:
    """Crops per second of processor time, by the number of cores, and computed for more cores than there are."""
    single, per_cpu_second = alone(work, 1)
    if cores == 1:
        return {"per_cpu_second": per_cpu_second, "on_1_core": single}
    every, _ = alone(work, cores)
    found = {"per_cpu_second": per_cpu_second, "on_1_core": single, f"on_{cores}_cores": every}
    return found | {f"computed_on_{more}_cores": beyond(single, every, cores, more) for more in BEYOND if more > cores}


def beyond(single: float, every: float, cores: int, more: int) -> float:
    """The rate on `more` cores, of those on one and on `cores`: 1 / (s + (1 - s) / cores) is how often as fast.

    >>> beyond(100.0, 200.0, 2, 4)
    400.0
    """
    alone_share = min(max((cores * single / every - 1) / (cores - 1), 0.0), 1.0)
    return single / (alone_share + (1 - alone_share) / more)


def alone(work: Work, cores: int) -> tuple[float, float]:
    """The best of some rounds in a process of its own, which sees so many cores: per second, and per CPU second."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_confine, initargs=(cores,)) as pool:
        return pool.submit(_rates, work, cores if work.processes else 0).result()


def _confine(cores: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _rates(work: Work, processes: int) -> tuple[float, float]:
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    from stages.training import batches
    from stages.training.crops import Crops
    from stages.training.distribution import SINGLE_DEVICE

    target = samples.work_folder(work.folder, IMAGES, preprocess={"folds": 3})
    with samples.inside(target) as options:
        prepared = data.prepared()
        train = options.train.model_copy(update=CROP | KINDS[work.kind])
        crops = Crops(prepared, prepared.training(0), train, options.seed)
        with batches.opened(crops, (0, 1_000_000), SINGLE_DEVICE, processes) as found:
            return _best(iter(found), crops.options.batch_size, work.seconds)


def _best(batches: Iterator[Any], size: int, seconds: float) -> tuple[float, float]:
    """The best of some rounds: crops per second, and per CPU second of this process and those that it has started."""
    for _ in range(20):
        next(batches)
    used = [psutil.Process(), *psutil.Process().children(recursive=True)]
    rates = []
    for _ in range(ROUNDS):
        begin, before, count = time.perf_counter(), _seconds(used), 0
        while time.perf_counter() - begin < seconds:
            next(batches)
            count += size
        rates.append((count / (time.perf_counter() - begin), count / max(_seconds(used) - before, 0.01)))
    return max(rate for rate, _ in rates), max(rate for _, rate in rates)


def _seconds(processes: list[psutil.Process]) -> float:
    """Processor time that they have used so far; the system counts in hundredths."""
    return sum(process.cpu_times().user + process.cpu_times().system for process in processes)


if __name__ == "__main__":
    main()
