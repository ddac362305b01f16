"""Sums over a whole batch where several devices share it: batch normalisation, overlaps, mixtures.

Each device sees its part. TensorFlow adds up the gradients, and Keras takes the mean of the losses; what is no mean
over pixels has to look at all parts. On one device these functions change nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

keras: Any = tf.keras


def devices() -> int:
    """How many devices share the batch of the step that is being built."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def all_reduce(values: tf.Tensor) -> tf.Tensor:
    """The sum of a tensor over the devices, with its gradient; inside a training step."""
    if devices() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def gathered(values: tf.Tensor) -> tf.Tensor:
    """float32 (device, …), the tensors of all devices in order, with their gradient; inside a training step."""
    if devices() == 1:
        return values[tf.newaxis]
    mine = tf.one_hot(tf.distribute.get_replica_context().replica_id_in_sync_group, devices(), dtype=tf.float32)
    return all_reduce(tf.tensordot(mine, tf.cast(values, tf.float32), axes=0))


def rolled(batch: tf.Tensor) -> tf.Tensor:
    """Each example's predecessor in the whole batch, the last one's for the first: (batch, …)."""
    if devices() == 1:
        return tf.roll(batch, 1, axis=0)
    last = tf.cast(gathered(batch[-1]), batch.dtype)  # (device, …)
    before = last[(tf.distribute.get_replica_context().replica_id_in_sync_group - 1) % devices()]
    return tf.concat([before[tf.newaxis], batch[:-1]], axis=0)


# Of this name, since files of weights name a layer's place after its class.
class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's own, over the whole batch of all devices.

    Keras has one too (`synchronized=True`). That one subtracts the mean's square from the squares' mean, in the
    network's own precision, and tracks another variance than the layer that it stands in for, which corrects it for
    the number of values (Bessel). The averages here are the same on every device, so reading them needs no exchange:
    one worker alone can save them.
    """

    def add_weight(self, *arguments: Any, **named: Any) -> Any:
        """As Keras, but of what is averaged, any device's value will do."""
        if named.get("synchronization") == tf.VariableSynchronization.ON_READ:
            named["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(*arguments, **named)

    def call(self, inputs: tf.Tensor, mask: Any = None, training: Any = None) -> tf.Tensor:
        """Take and give (batch, height, width, channel)."""
        if not (isinstance(training, int) and training and self.trainable):  # True, not a tensor of a placeholder
            return super().call(inputs, mask=mask, training=training)
        values = tf.cast(inputs, tf.float32)
        mean, variance, count = _moments(values)
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        corrected = variance * (count / tf.maximum(count - 1, 1))
        self.moving_variance.assign(self.moving_variance * self.momentum + corrected * (1 - self.momentum))
        normal = tf.nn.batch_normalization(values, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(normal, inputs.dtype)


def _moments(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean and variance of each channel, float32 (channel,), and how many values went into them, over all devices."""
    count = tf.cast(tf.reduce_prod(tf.shape(values)[:-1]), tf.float32)  # the same on every device
    mean, variance = tf.nn.moments(values, [0, 1, 2])
    means, variances = tf.unstack(gathered(tf.stack([mean, variance])), axis=1)  # (device, channel)
    of_all = tf.reduce_mean(means, axis=0)
    return of_all, tf.reduce_mean(variances + (means - of_all) ** 2, axis=0), count * devices()


@contextmanager
def shared_batch_normalization() -> Iterator[None]:
    """Let networks that are built in the block normalise over all devices, if there are several.

    segmentation_models takes the layer from Keras by its name.
    """
    if devices() == 1:
        yield
        return
    before = keras.layers.BatchNormalization
    keras.layers.BatchNormalization = BatchNormalization
    try:
        yield
    finally:
        keras.layers.BatchNormalization = before
