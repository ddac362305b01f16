"""A training step compared with PyTorch's, the precision of both chosen or the fastest of each."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from stages.inference import tensorflow_start
from stages.pipeline.settings import Settings, Train
from tests.benchmarks import data, peers, samples
from tests.benchmarks.peers import Peer
from tests.benchmarks.rows import Pair, Place, Row
from tests.benchmarks.timing import Work, alternate, seconds

IMAGES, BATCH = 24, 8
OURS = ("float32", "mixed_bfloat16")
PYTORCH = (("float32", False), ("bfloat16", False), ("float32", True), ("bfloat16", True))  # and whether compiled


def compared(height: int, width: int, ours: tuple[str, ...], other: tuple[tuple[str, bool], ...]) -> Any:
    """Seconds of some steps on one batch in memory: the fastest of ours, and the fastest of PyTorch's.

    Args:
        height, width: of the crops, at full resolution.
        ours: values of `train.precision`.
        other: PyTorch's precisions, and whether its network is compiled.
    """

    def measure(place: Place) -> Iterator[Pair]:
        peers.python()
        folder = samples.work_folder(place.folder, IMAGES, preprocess={"folds": 3})
        steps = 1 if place.quick else 3
        with ExitStack() as stack:
            options = stack.enter_context(samples.inside(folder))
            batch = _saved_batch(folder, options, height, width)
            theirs = {}
            for precision, compiled in other[: 2 if place.quick else None]:  # compiling takes a minute
                name = precision + ", compiled" * compiled
                try:
                    peer = stack.enter_context(_peer(folder, options, precision, compiled, steps))
                except peers.PeerError as error:
                    if not compiled:
                        raise
                    print(f"bench: PyTorch, {name}: left out: {error}", file=sys.__stderr__, flush=True)
                else:
                    theirs[name] = (peer, _checked(peer.run))
            own = {precision: _own_steps(options, batch, precision, steps) for precision in ours}
            for peer, _ in theirs.values():
                peers.check_same(*_shapes(own), peer.description)
            works = (
                _fastest({name: work for name, (work, _) in own.items()}, "ours"),
                _fastest({name: work for name, (_, work) in theirs.items()}, "PyTorch"),
            )
            yield from alternate([works] * (1 if place.quick else 9))

    return measure


def _saved_batch(folder: Path, options: Settings, height: int, width: int) -> Any:
    """A batch of `train`, as tensors, which also lies in FOLDER/batch.npz."""
    tensorflow_start.start(training=True)
    from stages.training.batches import dataset
    from stages.training.crops import Crops

    prepared = data.prepared()
    sizes = {"crop_height": height, "crop_width": width, "batch_size": BATCH, "downscale": 1, "crops_per_image": 2}
    crops = Crops(prepared, prepared.training(0), options.train.model_copy(update=sizes), options.seed)
    images, labels = next(iter(dataset(crops, 0, 1)))
    np.savez(folder / "batch.npz", images=images.numpy(), labels=labels.numpy())
    return images, labels


def _peer(folder: Path, options: Settings, precision: str, compiled: bool, steps: int) -> Peer:
    how = {"compile": compiled, "steps": steps, "learning_rate": options.train.learning_rate}
    weights = {"class_weights": [1.0] * (1 + len(options.competition.classes))}
    return Peer("training", folder, peers.network_options(options, precision) | how | weights)


def _own_steps(options: Settings, batch: Any, precision: str, steps: int) -> tuple[Work, Any]:
    """Steps as `train` takes them, deterministic ones, and the network."""
    import tensorflow as tf

    from stages.training import class_weights, fit, model

    fit.seed(options.seed)
    changed = {"downscale": 1, "precision": precision, "loss": "cce_dice", "batch_size": BATCH}
    training: Train = options.train.model_copy(update=changed)
    classes = len(options.competition.classes)
    network = model.build(training, classes)
    fit.prepare(network, training, class_weights.of_classes(None, np.ones(1 + classes, np.int64)), 1000)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    step = network.make_train_function()
    work = _checked(lambda: [float(step(batches)["loss"]) for _ in range(steps)])
    for _ in range(2):
        work()
    return work, network


def _shapes(own: dict[str, tuple[Work, Any]]) -> tuple[list[tuple[int, ...]], int]:
    """Of our network: the kernels of its convolutions, and the number of its parameters."""
    weights = [tuple(weight.shape) for weight in next(iter(own.values()))[1].trainable_weights]
    return [shape for shape in weights if len(shape) == 4], sum(int(np.prod(shape)) for shape in weights)


def _checked(losses: Callable[[], list[float]]) -> Work:
    """The work, whose losses must be finite."""

    def work() -> None:
        found = losses()
        if not np.isfinite(found).all():
            raise AssertionError(f"losses: expected finite ones, found {found}")

    return work


def _fastest(works: dict[str, Work], whose: str) -> Work:
    """The work that takes the least time in one of three tries, if there are several."""
    if len(works) > 1:
        best = {name: min(seconds(work) for _ in range(3)) for name, work in works.items()}
        found = ", ".join(f"{name} {taken:.3g} s" for name, taken in best.items())
        print(f"bench: the fastest of {whose}: {found}", file=sys.__stderr__, flush=True)
        return works[min(best, key=best.__getitem__)]
    return next(iter(works.values()))


ROWS = [
    Row(f"training-peer-{height}-{name}",
        f"a training step, ResNet18 U-Net, {height}×{width}, batch {BATCH}, full resolution, {ours}",
        f"PyTorch and segmentation_models_pytorch, {theirs}", to_reach, compared(height, width, own, other))
    for height, width in ((128, 256), (256, 512))
    for name, ours, own, theirs, other, to_reach in (
        ("float32", "float32", OURS[:1], "float32", PYTORCH[:1], None),
        ("bfloat16", "mixed_bfloat16", OURS[1:], "bfloat16", PYTORCH[1:2], None),
        ("best", "in its faster precision", OURS, "the fastest of both precisions, compiled or not", PYTORCH, 1.0),
    )
]  # fmt: skip
