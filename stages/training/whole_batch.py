"""Sums over a whole batch that several devices share: batch normalisation, overlaps, mixtures.

Each device sees its part of a batch. TensorFlow adds up the gradients and Keras averages the losses; a value that is no
mean over pixels has to be computed from all parts. On one device these functions change nothing.

Keras has a layer for this, `BatchNormalization(synchronized=True)`, but it computes something else than the layer that
one device uses. Its moving variance lacks Bessel's correction, n / (n - 1) for n values per channel: 1.6 % for the 64
values of the smallest feature maps with the parameters of params.yaml. It subtracts the squared mean from the mean of
the squares: for inputs around 100, its outputs were off by 0.002, and those below by less than 0.0001. On two devices
the loss of the second epoch differed by 5e-5 from that of one device, and by 3e-6 with the layer below. On two workers
training ended after the first epoch, when the chief saved the weights: reading Keras's moving averages is an all-reduce
of all workers.
"""

from typing import Any

import tensorflow as tf

keras: Any = tf.keras


def devices() -> int:
    """How many devices share the batch of the step that is being built."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def all_reduce(values: tf.Tensor) -> tf.Tensor:
    """The sum of a tensor over the devices, with its gradient. Only inside a training step."""
    if devices() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def gathered(values: tf.Tensor) -> tf.Tensor:
    """The tensors of all devices in order, float32 (device, …), with their gradient. Only inside a training step."""
    if devices() == 1:
        return values[tf.newaxis]
    own = tf.one_hot(tf.distribute.get_replica_context().replica_id_in_sync_group, devices(), dtype=tf.float32)
    return all_reduce(tf.tensordot(own, tf.cast(values, tf.float32), axes=0))


def joined(values: tf.Tensor) -> tf.Tensor:
    """The whole batch, (batch, …), of which each device has a part, with its gradient. Only inside a training step."""
    if devices() == 1:
        return values
    return tf.reshape(gathered(values), tf.concat([[-1], tf.shape(values)[1:]], axis=0))


def rolled(batch: tf.Tensor) -> tf.Tensor:
    """Each example's predecessor in the whole batch, and the last example for the first: (batch, …)."""
    if devices() == 1:
        return tf.roll(batch, 1, axis=0)
    last = tf.cast(gathered(batch[-1]), batch.dtype)  # (device, …)
    before = last[(tf.distribute.get_replica_context().replica_id_in_sync_group - 1) % devices()]
    return tf.concat([before[tf.newaxis], batch[:-1]], axis=0)


# Files of weights name layers after their class, so this one must have the name of Keras's.
class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's layer, with the mean and variance of the whole batch of all devices.

    The moving averages are the same on every device, so reading them needs no communication, and the chief can save
    them alone.
    """

    def add_weight(self, *arguments: Any, **named: Any) -> Any:
        """As in Keras, but moving averages are read from one device instead of averaged over all."""
        if named.get("synchronization") == tf.VariableSynchronization.ON_READ:
            named["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(*arguments, **named)

    def call(self, inputs: tf.Tensor, mask: Any = None, training: Any = None) -> tf.Tensor:
        """Normalise (batch, height, width, channel)."""
        if not (isinstance(training, int) and training and self.trainable):  # True, not a tensor of a placeholder
            return super().call(inputs, mask=mask, training=training)
        values = tf.cast(inputs, tf.float32)
        mean, variance, count = _moments(values)
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        corrected = variance * (count / tf.maximum(count - 1, 1))
        self.moving_variance.assign(self.moving_variance * self.momentum + corrected * (1 - self.momentum))
        normalised = tf.nn.batch_normalization(values, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(normalised, inputs.dtype)


def _moments(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean and variance of each channel over all devices, float32 (channel,), and the number of values in each."""
    count = tf.cast(tf.reduce_prod(tf.shape(values)[:-1]), tf.float32)  # the same on every device
    mean, variance = tf.nn.moments(values, [0, 1, 2])
    means, variances = tf.unstack(gathered(tf.stack([mean, variance])), axis=1)  # (device, channel)
    total_mean = tf.reduce_mean(means, axis=0)
    return total_mean, tf.reduce_mean(variances + (means - total_mean) ** 2, axis=0), count * devices()
