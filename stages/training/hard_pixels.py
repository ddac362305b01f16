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
    hard = tf.cast(costs >= _largest(every, number), tf.float32)
    counted = whole_batch.all_reduce(tf.reduce_sum(hard))
    return whole_batch.devices() * tf.reduce_sum(hard * costs) / counted


def _largest(values: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """The value of this place in descending order, counted from 1, of float32 (n,) that are not negative.

    Read as whole numbers, such values keep their order, so the result is found bit by bit. `tf.math.top_k` takes six
    times as long on a processor, and TensorFlow's histograms are not deterministic on a GPU.
    """
    whole, found = tf.bitcast(values, tf.int32), tf.constant(0)
    for bit in reversed(range(31)):
        higher = found + (1 << bit)
        found = tf.where(tf.math.count_nonzero(whole >= higher, dtype=tf.int32) >= number, higher, found)
    return tf.bitcast(found, tf.float32)
