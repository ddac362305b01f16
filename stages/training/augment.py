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
        Batches of images, float32 (batch, height, width, channels) in 0 … 255, and label maps, uint8
        (batch, height, width), or planes (batch, height, width, classes) where classes overlap. With an image-level
        head: these as "logits", and as "presence" which classes occur in each crop, float32 (batch, classes), 0 or 1.
    """
    options, layout, size = crops.options, crops.data.layout, (crops.height, crops.width)
    classes = layout.number_of_classes
    shape = size if layout.images.channels == 1 else (*size, layout.images.channels)
    shape_of_labels = (*size, classes) if layout.overlapping else size

    def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, labels = tf.numpy_function(lambda n: crops[int(n)], [number], (tf.uint8, tf.uint8), stateful=False)
        return tf.ensure_shape(image, shape), tf.ensure_shape(labels, shape_of_labels)

    def example(number: tf.Tensor) -> tuple[tf.Tensor, Any]:
        image, labels = _augmented(options, crops.seed, number, *load(number))
        if not options.presence_weight:
            return image, labels
        class_ids = tf.range(1, classes + 1, dtype=tf.int32)
        shown = labels > 0 if layout.overlapping else tf.cast(labels, tf.int32)[..., tf.newaxis] == class_ids
        present = tf.reduce_any(shown, axis=(0, 1))
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
    parts = [values if values.shape.rank == 3 else values[..., tf.newaxis] for values in (image, labels)]
    channels = parts[0].shape[-1]
    both = tf.concat(parts, axis=-1)  # (height, width, channels and labels): flipped together
    if options.flips:
        both = tf.image.stateless_random_flip_left_right(both, seeds[0])
        both = tf.image.stateless_random_flip_up_down(both, seeds[1])
    levels = tf.cast(both[..., :channels], tf.float32)
    if options.contrast:
        levels = tf.image.stateless_random_contrast(levels, 1 - options.contrast, 1 + options.contrast, seeds[2])
    if options.brightness:
        levels = tf.image.stateless_random_brightness(levels, 255 * options.brightness, seeds[3])
    if options.noise:
        spread = tf.random.stateless_uniform((), seeds[4], maxval=255 * options.noise)
        levels += spread * tf.random.stateless_normal(tf.shape(levels), seeds[5])
    flipped = both[..., channels] if labels.shape.rank == 2 else both[..., channels:]
    return tf.clip_by_value(levels, 0, 255), flipped
