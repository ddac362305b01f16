"""Losses, batch normalisation and mixtures on two logical devices, as a process of its own; prints what each gives.

Each line is a JSON object: name, and what one device and two devices found, as lists of numbers.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from stages.inference import cpu, tensorflow_start

cpu.configure()  # not all of tensorflow_start.start, which starts the devices
os.environ.update(tensorflow_start.FOR_TRAINING)
import tensorflow as tf  # noqa: E402

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

from stages.training import losses, whole_batch  # noqa: E402

STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
RANDOM = np.random.default_rng(0)


def both(name: str, function: Any, *batches: Any) -> None:
    """Run a function of a step on a whole batch, and on two halves of it; it gives a list of tensors (batch, …)."""

    def halves(context: Any) -> Any:
        return tuple(np.split(batch, 2)[context.replica_id_in_sync_group] for batch in batches)

    one = tf.function(function)(*map(tf.constant, batches))
    values = STRATEGY.experimental_distribute_values_from_function(halves)
    two = tf.function(lambda *parts: STRATEGY.run(function, parts))(*values)
    joined = [np.concatenate([part.numpy() for part in STRATEGY.experimental_local_results(value)]) for value in two]
    found = [[np.ravel(value).tolist() for value in values] for values in ([value.numpy() for value in one], joined)]
    print(json.dumps([name, *found]), flush=True)


def of_losses() -> None:
    """Value and gradient of each loss; a step sums what the devices find, each divided by their number."""
    labels = RANDOM.integers(0, 3, (4, 5, 6)).astype(np.uint8)
    hard = {f"{name}, hard pixels": (losses.LOSSES[name], 0, 0.3) for name in ("cce", "bce_dice")}
    for name, (kind, *entropy) in ({name: (kind,) for name, kind in losses.LOSSES.items()} | hard).items():
        logits = RANDOM.normal(size=(4, 5, 6, 2 if kind.activation == "sigmoid" else 3)).astype(np.float32)
        loss = kind.make(np.array([1, 2, 3], np.float32), *entropy)

        def gradient(labels: tf.Tensor, logits: tf.Tensor, loss: Any = loss) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(logits)
                value = loss(labels, logits) / whole_batch.devices()
            return [tape.gradient(value, logits), tf.ones(tf.shape(labels)[0]) * whole_batch.all_reduce(value)]

        both(name, gradient, labels, logits)


def of_normalisation() -> None:
    """Output, gradient and averages of Keras's layer and of the shared one, on values far from zero."""
    values = (100 + RANDOM.normal(size=(4, 3, 2, 5))).astype(np.float32)
    pull = RANDOM.normal(size=values.shape).astype(np.float32)
    keras: Any = tf.keras
    plain = keras.layers.BatchNormalization(momentum=0.9)
    plain.build((None, 3, 2, 5))
    with STRATEGY.scope():
        shared = whole_batch.BatchNormalization(momentum=0.9)
        shared.build((None, 3, 2, 5))

    def step(values: tf.Tensor, pull: tf.Tensor) -> list[tf.Tensor]:
        layer = plain if whole_batch.devices() == 1 else shared
        with tf.GradientTape() as tape:
            tape.watch(values)
            normal = layer(values, training=True)
            value = tf.reduce_sum(pull * normal)
        return [normal, tape.gradient(value, values)]

    both("batch normalisation", step, values, pull)
    averages = [[weight.numpy().tolist() for weight in layer.non_trainable_weights] for layer in (plain, shared)]
    print(json.dumps(["its averages", *averages]), flush=True)


def of_mixtures() -> None:
    """Each example's predecessor."""
    both("rolled", lambda batch: [whole_batch.rolled(batch)], np.arange(8, dtype=np.uint8).reshape(4, 2))


if __name__ == "__main__":
    of_losses()
    of_normalisation()
    of_mixtures()
