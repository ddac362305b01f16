"""A training step with TensorFlow's deterministic operations, as in `train`, compared with one without them.

They cannot be switched off again, so each kind runs in a process of its own.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stages.inference import processor
from tests.benchmarks import samples
from tests.benchmarks.rows import Pair, Place, Row, SkippedError
from tests.benchmarks.timing import alternate, seconds

IMAGES, STEPS = 24, 3
_step: list[Callable[[], Any]] = []  # of this process


def compared(precision: str) -> Callable[[Place], Iterator[Pair]]:
    """Seconds of some steps at full resolution, crops of 128×256, batch 8."""

    def measure(place: Place) -> Iterator[Pair]:
        if precision == "mixed_bfloat16" and not processor.has_bfloat16():
            raise SkippedError("the processor has no bfloat16")
        folder = samples.work_folder(place.folder, IMAGES, preprocess={"folds": 3})
        with ExitStack() as stack:
            pools = [
                stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))) for _ in range(2)
            ]
            for pool, deterministic in zip(pools, (True, False), strict=True):
                pool.submit(_prepare, folder, precision, deterministic).result()
            ours, other = (
                lambda pool=pool: pool.submit(_steps, 1 if place.quick else STEPS).result() for pool in pools
            )
            yield from alternate([(ours, other)] * (1 if place.quick else 9))

    return measure


def _prepare(folder: Path, precision: str, deterministic: bool) -> None:
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    import tensorflow as tf

    from stages.training import fit
    from stages.training.crops import Crops
    from tests.benchmarks import data, training

    with samples.inside(folder) as options:
        prepared = data.prepared()
        changed = training.CROP | {"downscale": 1, "precision": precision}
        crops = Crops(prepared, prepared.training(0), options.train.model_copy(update=changed), options.seed)
        if deterministic:
            fit.seed(options.seed)
        else:
            tf.keras.utils.set_random_seed(options.seed)
        _step.append(training.bare_step(crops, crops.options))
        _steps(2)


def _steps(count: int) -> float:
    return seconds(lambda: [_step[0]() for _ in range(count)])


ROWS = [
    Row(f"training-deterministic-{precision}",
        f"a training step, ResNet18 U-Net, 128×256, batch 8, full resolution, {precision}, deterministic as in `train`",
        "the same without deterministic operations", 1.1, compared(precision), at_most=True)
    for precision in ("float32", "mixed_bfloat16")
]  # fmt: skip
