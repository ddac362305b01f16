"""The recipe's network ready to train, and how its steps are timed: see `gpu_check`."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from stages.dataset.prepared import Dataset
from stages.inference import tensorflow_start
from stages.pipeline import paths, settings
from stages.pipeline.settings import Train

Figures = dict[str, Any]
SMALL = {  # of the encoders, this one is compiled soonest
    "backbone": "vgg16", "encoder_weights": None,
    "decoder_filters": (16, 8, 8, 8, 8), "crop_height": 32, "crop_width": 32, "batch_size": 2,
    "validation_batch_size": 2, "precision": "float32", "loader_processes": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """What a part needs to know.

    Attributes:
        folder: with params.yaml, as the recipe fills it, and data/prepared.
        tiny: sizes so small that the figures mean nothing.
    """

    folder: Path
    tiny: bool = False

    @property
    def seconds(self) -> float:
        """For how long each figure is measured, once everything is compiled."""
        return 0.2 if self.tiny else 4.0

    def options(self, precision: str | None = None) -> Train:
        """The recipe's training, in another precision if one is given."""
        changed: Figures = SMALL if self.tiny else {}
        if precision:
            changed = changed | {"precision": precision}
        return settings.load().train.model_copy(update=changed)

    def inference_batches(self) -> tuple[int, ...]:
        """The recipe's batch of inference, and larger ones."""
        least = 2 if self.tiny else settings.load().inference.batch_size
        return tuple(least * factor for factor in (1, 2, 4))


@dataclass(frozen=True)
class Kind:
    """How a network is trained. None: as the recipe says, and on one device."""

    precision: str | None = None
    xla: bool = False
    deterministic: bool = True
    strategy: Any = None


@dataclass(frozen=True)
class Ready:
    """A network that is ready to train, and the crops to train it on."""

    kind: Kind
    network: Any
    crops: Any
    data: Dataset


_kept: dict[tuple[Train, Kind], Ready] = {}  # the last one: compiling it again would take longer than its steps


def ready(place: Place, kind: Kind) -> Ready:
    """The recipe's network, as `fit` prepares it; the one before is forgotten if it is of another kind."""
    tensorflow_start.start(training=True)
    import tensorflow as tf

    from stages.training import class_weights, fit, model, precision
    from stages.training.crops import Crops
    from stages.training.distribution import Cluster

    options, data, seed = place.options(kind.precision), Dataset(paths.PREPARED), settings.load().training_seed
    if options.precision == "auto":
        options = precision.resolved(options, len(tf.config.list_physical_devices("GPU")))
    kind = replace(kind, precision=options.precision)
    if (options, kind) in _kept:
        forget_peak()
        return _kept[options, kind]
    _kept.clear()
    tf.keras.backend.clear_session()
    gc.collect()
    forget_peak()
    fit.seed(seed) if kind.deterministic else tf.keras.utils.set_random_seed(seed)
    crops = Crops(data, data.training(options.folds[0]), options, seed)
    weights = class_weights.of_classes(options.class_weights, crops.pixels(most=20))
    with Cluster(kind.strategy).scope():
        network = model.build(options, len(data.classes), data.layout.images.channels)
        fit.prepare(network, options, weights, crops.steps)
    if kind.xla:
        network.jit_compile = True
    _kept[options, kind] = Ready(kind, network, crops, data)
    return _kept[options, kind]


def timed(given: Ready, seconds: float) -> tuple[float, float]:
    """Seconds of the first step, with its compilation, and of a later one: the median of three rounds.

    All see the same batch, which is in the computer's memory.
    """
    import tensorflow as tf

    from stages.training import batches

    repeated = tf.data.Dataset.from_tensors(next(iter(batches.dataset(given.crops, 0, 1)))).repeat()
    strategy = given.kind.strategy
    given_again = strategy.distribute_datasets_from_function(lambda _: repeated) if strategy else repeated
    function, iterator = given.network.make_train_function(), iter(given_again)

    def steps(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            logs = function(iterator)
        wait(logs)  # a GPU is given work ahead of what it has done
        return (time.perf_counter() - begin) / count

    first = steps(1)
    steps(1)
    count = int(np.clip(seconds / 3 / steps(2), 1, 500))
    return first, median(steps(count) for _ in range(3))


def processes_of(given: Ready) -> int:
    """How many processes make the crops, as in a training on one GPU."""
    import tensorflow as tf

    from stages.training import loader

    return loader.processes(given.crops.options, min(len(tf.config.list_physical_devices("GPU")), 1))


@contextmanager
def batches_of(given: Ready, epochs: int) -> Iterator[Iterator[Any]]:
    """The batches of some epochs, as a training gets them."""
    from stages.training import batches
    from stages.training.distribution import SINGLE_DEVICE

    with batches.opened(given.crops, (0, epochs), SINGLE_DEVICE, processes_of(given)) as found:
        yield iter(found)


def run(given: Ready, batches: Iterator[Any], most: int, seconds: float) -> tuple[int, float]:
    """Steps on batches that a loader makes, after a first one: how many in about so many seconds, and their seconds."""
    function = given.network.make_train_function()
    wait(function(batches))
    begin, count = time.perf_counter(), 0
    while count < most and (count < 3 or time.perf_counter() - begin < seconds):
        logs = function(batches)
        count += 1
        if count % 10 == 0:  # not too far ahead of the GPU
            wait(logs)
    wait(logs)
    return count, time.perf_counter() - begin


def wait(logs: Any) -> None:
    """Until the step that gave these figures has ended."""
    for value in logs.values():
        float(value)


def rate(items: Iterator[Any], seconds: float, use: Callable[[Any], object]) -> float:
    """Items per second, after a first one."""
    use(next(items))
    begin, count = time.perf_counter(), 0
    while count < 2 or time.perf_counter() - begin < seconds:
        use(next(items))
        count += 1
    return count / (time.perf_counter() - begin)


def forget_peak() -> None:
    """Let `peak` begin anew."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.reset_memory_stats("GPU:0")


def peak() -> float | None:
    """Peak memory on the GPU since `forget_peak`, in megabytes; TensorFlow knows none of a CPU."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / 1e6
