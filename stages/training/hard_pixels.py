"""Online hard example mining: a cross-entropy in which only the pixels count that cost most."""

import tensorflow as tf

from stages.training import whole_batch


def mean_of_hardest(costs: tf.Tensor, share: float) -> tf.Tensor:
    """The mean of the largest costs of a whole batch.

    Where most pixels are background that was learnt long ago, the many small costs outweigh those of a few defects.
    Source: Shrivastava et al., Training Region-based Object Detectors with Online Hard Example Mining, 2016; here an
    example is a pixel, or with sigmoids a pixel and a class.

    Args:
        costs: of this device's part of the batch, float32 (batch, height, width) or (batch, height, width, classes).
        share: of the costs that count, above 0; at least one does. What equals the smallest of them counts too. 1: all.

    Returns:
        One number. Its mean over the devices is that of the whole batch.
    """
    if share == 1:
        return tf.reduce_mean(costs)
    every = tf.reshape(whole_batch.joined(tf.stop_gradient(costs)), [-1])
    number = tf.cast(tf.math.ceil(share * tf.cast(tf.size(every), tf.float64)), tf.int32)
    smallest = tf.reduce_min(tf.math.top_k(every, number, sorted=False).values)
    hard = tf.cast(costs >= smallest, tf.float32)
    counted = whole_batch.all_reduce(tf.reduce_sum(hard))
    return whole_batch.devices() * tf.reduce_sum(hard * costs) / counted
