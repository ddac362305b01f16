"""Crops per second that the loader makes: on one core and on all, and per second of processor time.

    python -m tests.benchmarks.loader            # on an idle machine; writes metrics/loader.json

Crops of 256×512 from the built-in sample, in batches of 8, as `train` gets them. `plain` has the parameters of
params.yaml; `everything` adds rotation and noise. Beyond the cores of this machine, the rate is computed: the part of
the work that one core must do alone follows from the rates on one core and on all (Amdahl's law).
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.benchmarks import data, samples

OUTPUT = Path("metrics/loader.json")
CROP = {"crop_height": 256, "crop_width": 512, "batch_size": 8, "max_black_fraction": 1.0}
KINDS = {"plain": {}, "everything": {"rotation": 15, "noise": 0.03}}
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
        found = {kind: measure(Path(folder), kind, cores, given.seconds) for kind in KINDS}
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found | {"cores": cores}, indent=2) + "\n", encoding="utf-8")
    for kind, figures in found.items():
        print(f"{kind}: " + ", ".join(f"{name} {value:,.0f}" for name, value in figures.items()))


def measure(folder: Path, kind: str, cores: int, seconds: float) -> dict[str, float]:
    """Crops per second of processor time, by the number of cores, and computed for more cores than there are."""
    single, per_cpu_second = alone(folder, kind, 1, seconds)
    if cores == 1:
        return {"per_cpu_second": per_cpu_second, "on_1_core": single}
    every, _ = alone(folder, kind, cores, seconds)
    found = {"per_cpu_second": per_cpu_second, "on_1_core": single, f"on_{cores}_cores": every}
    return found | {f"computed_on_{more}_cores": beyond(single, every, cores, more) for more in BEYOND if more > cores}


def beyond(single: float, every: float, cores: int, more: int) -> float:
    """The rate on `more` cores, of those on one and on `cores`: 1 / (s + (1 - s) / cores) is how often as fast.

    >>> beyond(100.0, 200.0, 2, 4)
    400.0
    """
    alone_share = min(max((cores * single / every - 1) / (cores - 1), 0.0), 1.0)
    return single / (alone_share + (1 - alone_share) / more)


def alone(folder: Path, kind: str, cores: int, seconds: float) -> tuple[float, float]:
    """The best of some rounds in a process of its own, which sees so many cores: per second, and per CPU second."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_confine, initargs=(cores,)) as pool:
        return pool.submit(_rates, folder, kind, seconds).result()


def _confine(cores: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def _rates(folder: Path, kind: str, seconds: float) -> tuple[float, float]:
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    from stages.training.augment import dataset
    from stages.training.crops import Crops

    target = samples.work_folder(folder, IMAGES, preprocess={"folds": 3})
    with samples.inside(target) as options:
        prepared = data.prepared()
        crops = Crops(prepared, prepared.training(0), options.train.model_copy(update=CROP | KINDS[kind]), options.seed)
        batches, size = iter(dataset(crops, 0, 1_000_000)), crops.options.batch_size
        for _ in range(20):
            next(batches)
        rates = []
        for _ in range(ROUNDS):
            begin, before, count = time.perf_counter(), _used(), 0
            while time.perf_counter() - begin < seconds:
                next(batches)
                count += size
            rates.append((count / (time.perf_counter() - begin), count / (_used() - before)))
    return max(rate for rate, _ in rates), max(rate for _, rate in rates)


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
