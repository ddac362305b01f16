"""Training batches as a `tf.data.Dataset`: made by threads of this process, or by processes of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from stages.pipeline.arrays import Int64
from stages.training import augment, deep_supervision, loader
from stages.training.augment import Batch
from stages.training.crops import Crops
from stages.training.distribution import SINGLE_DEVICE, Cluster
from stages.training.job import Job
from stages.training.loader import Loader


def fit(network: Any, crops: Crops, job: Job, *, epochs: int, initial_epoch: int = 0, **arguments: Any) -> None:
    """`network.fit` with all of its arguments on the batches of these epochs; raises as `opened` does."""
    with opened(crops, (initial_epoch, epochs), job.cluster, job.processes) as found:
        network.fit(found, epochs=epochs, initial_epoch=initial_epoch, **arguments)


@contextmanager
def opened(crops: Crops, epochs: tuple[int, int], cluster: Cluster, processes: int) -> Iterator[Any]:
    """The batches of some epochs, until the block ends.

    Args:
        crops: the sequence of crops.
        epochs: the first one, and the one after the last.
        cluster: the devices, each of which gets its part of the batches.
        processes: how many make the batches; 0: threads of this process. The batches are the same.

    Yields:
        The data set, see `dataset`.

    Raises:
        Exception: in place of TensorFlow's error, which has its text alone, what was raised by whoever made a batch.
    """
    errors: list[Exception] = []
    with loader.opened(crops, _size(crops, cluster), processes) as source:
        try:
            yield _dataset(crops, epochs, cluster, source, errors)
        except tf.errors.OpError:
            if errors:
                raise errors[0] from None
            raise


def dataset(crops: Crops, first_epoch: int, last_epoch: int, cluster: Cluster = SINGLE_DEVICE) -> Any:
    """Batches of the epochs first_epoch … last_epoch - 1, in order; with a cluster, each device's part of them.

    Returns:
        Batches of images, uint8 (batch, height, width, channels), which the network casts, and label maps, uint8
        (batch, height, width), or planes (batch, height, width, classes) where classes overlap. With an image-level
        head: these as "logits", and as "presence" which classes occur in each crop, float32 (batch, classes), 0 or 1.
        With deep supervision, "logits" and the labels of the coarser stages.
    """
    return _dataset(crops, (first_epoch, last_epoch), cluster, None, [])


def _dataset(
    crops: Crops, epochs: tuple[int, int], cluster: Cluster, source: Loader | None, errors: list[Exception]
) -> Any:
    """The same, made by a loader if there is one. `errors` gets what is raised while a batch is made."""
    spec = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in augment.empty(crops, 1)]
    numbers = partial(_numbers, crops, cluster)
    first, last = (epoch * crops.steps * (cluster.devices // cluster.workers) for epoch in epochs)
    in_order: list[Iterator[Batch]] = []  # of the loader, begun with each pass over the data set

    def made(part: Int64) -> Batch:
        with _noted(errors):
            if source is None:
                return augment.batch(crops, numbers(part))
            if part == first:
                in_order[:] = [source.batches(map(numbers, range(first, last)))]
            return next(in_order[0])

    def example(part: tf.Tensor) -> tuple[tf.Tensor, Any]:
        found = tf.numpy_function(made, [part], [each.dtype for each in spec], stateful=source is not None)
        images, labels, present = (tf.ensure_shape(array, each.shape) for array, each in zip(found, spec, strict=True))
        targets = {"logits": labels} | deep_supervision.labels(labels, crops.options)
        if crops.options.presence_weight:
            targets["presence"] = present
        return images, targets if len(targets) > 1 else labels

    # Dataset.from_generator takes four times as long per batch.
    parallel = {} if source else {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
    batches = tf.data.Dataset.range(first, last).map(example, **parallel).prefetch(tf.data.AUTOTUNE)
    return cluster.strategy.distribute_datasets_from_function(lambda _: batches) if cluster.strategy else batches


def _numbers(crops: Crops, cluster: Cluster, part: Any) -> Any:
    """The crops in one of the parts of batches that this worker's devices get; each gets one part of every batch."""
    devices, size = cluster.devices // cluster.workers, _size(crops, cluster)
    place = cluster.worker * devices + part % devices
    return part // devices * crops.options.batch_size + place * size + np.arange(size)


def _size(crops: Crops, cluster: Cluster) -> int:
    """Crops in the part of a batch that one device gets."""
    return crops.options.batch_size // cluster.devices


@contextmanager
def _noted(errors: list[Exception]) -> Iterator[None]:
    """Add what is raised in the block to a list."""
    try:
        yield
    except Exception as error:
        errors.append(error)
        raise
