"""Training batches: crops with random flips, brightness, contrast and noise, as a `tf.data.Dataset`.

To add an augmentation: a few lines in `_augmented`, with a seed of its own (raise the last argument of
`stateless_split`, the number of seeds), and a parameter in `stages.pipeline.train_settings.Train`. What moves pixels
together with their labels, such as a rotation, belongs to `stages.training.crops`.
"""

from typing import Any

import tensorflow as tf

from stages.pipeline.settings import Train
from stages.training.crops import Crops
from stages.training.distribution import SINGLE_DEVICE, Cluster


def dataset(crops: Crops, first_epoch: int, last_epoch: int, cluster: Cluster = SINGLE_DEVICE) -> Any:
    """Batches of the epochs first_epoch … last_epoch - 1, in order; with a cluster, each device's part of them.

    Returns:
        Batches of grey levels, float32 (batch, height, width, 1) in 0 … 255, and label maps, uint8
        (batch, height, width). With an image-level head: label maps as "logits", and as "presence" which classes
        occur in each crop, float32 (batch, classes), 0 or 1.
    """
    options, shape = crops.options, (crops.height, crops.width)
    classes = len(crops.data.classes)

    def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, labels = tf.numpy_function(lambda n: crops[int(n)], [number], (tf.uint8, tf.uint8), stateful=False)
        return tf.ensure_shape(image, shape), tf.ensure_shape(labels, shape)

    def example(number: tf.Tensor) -> tuple[tf.Tensor, Any]:
        image, labels = _augmented(options, crops.seed, number, *load(number))
        if not options.presence_weight:
            return image, labels
        class_ids = tf.range(1, classes + 1, dtype=tf.int32)
        present = tf.reduce_any(tf.cast(labels, tf.int32)[..., tf.newaxis] == class_ids, axis=(0, 1))
        return image, {"logits": labels, "presence": tf.cast(present, tf.float32)}

    numbers = tf.data.Dataset.range(first_epoch * crops.per_epoch, last_epoch * crops.per_epoch)
    if cluster.workers > 1:  # this worker's part of every batch
        part = options.batch_size // cluster.workers
        own = slice(cluster.worker * part, (cluster.worker + 1) * part)
        numbers = numbers.batch(options.batch_size).map(lambda batch: batch[own]).unbatch()
    examples = numbers.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = examples.batch(options.batch_size // cluster.devices, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return cluster.strategy.distribute_datasets_from_function(lambda _: batches) if cluster.strategy else batches


def _augmented(
    options: Train, seed: int, number: tf.Tensor, image: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """A crop and its labels flipped together, and the crop's grey levels changed."""
    seeds = tf.random.experimental.stateless_split([seed, number], 6)
    both = tf.stack([image, labels], axis=-1)  # (height, width, 2): flipped together
    if options.flips:
        both = tf.image.stateless_random_flip_left_right(both, seeds[0])
        both = tf.image.stateless_random_flip_up_down(both, seeds[1])
    grey = tf.cast(both[..., :1], tf.float32)
    if options.contrast:
        grey = tf.image.stateless_random_contrast(grey, 1 - options.contrast, 1 + options.contrast, seeds[2])
    if options.brightness:
        grey = tf.image.stateless_random_brightness(grey, 255 * options.brightness, seeds[3])
    if options.noise:
        spread = tf.random.stateless_uniform((), seeds[4], maxval=255 * options.noise)
        grey += spread * tf.random.stateless_normal(tf.shape(grey), seeds[5])
    return tf.clip_by_value(grey, 0, 255), both[..., 1]
