"""Training batches: crops with random flips, brightness, contrast and noise, as a `tf.data.Dataset`.

Everything is done on bytes, by NumPy and OpenCV, before a batch becomes a tensor: a crop takes less time than its
decoding would.

To add an augmentation: a few lines in `augmented`, with a random number of its own at the end of those that it draws,
and a parameter in `stages.pipeline.train_settings.Train`. What makes crops harder to see is in
`stages.training.degradations`; what draws pixels anew, such as a rotation, in `stages.training.warps`.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from stages.dataset import label_maps
from stages.pipeline.arrays import Float32, Int64, UInt8
from stages.pipeline.settings import Train
from stages.training import deep_supervision
from stages.training.crops import Crops
from stages.training.degradations import degraded
from stages.training.distribution import SINGLE_DEVICE, Cluster

NOISE = 1 << 20  # random values that noise is cut from, at least
MIDDLE, UNIT = 128, 32  # these values as bytes: the one that stands for 0, and their standard deviation


def dataset(crops: Crops, first_epoch: int, last_epoch: int, cluster: Cluster = SINGLE_DEVICE) -> Any:
    """Batches of the epochs first_epoch … last_epoch - 1, in order; with a cluster, each device's part of them.

    Returns:
        Batches of images, uint8 (batch, height, width, channels), which the network casts, and label maps, uint8
        (batch, height, width), or planes (batch, height, width, classes) where classes overlap. With an image-level
        head: these as "logits", and as "presence" which classes occur in each crop, float32 (batch, classes), 0 or 1.
        With deep supervision, "logits" and the labels of the coarser stages.
    """
    options, layout, size = crops.options, crops.data.layout, (crops.height, crops.width)
    shape = None, *size, layout.images.channels
    shape_of_labels = (None, *size, layout.number_of_classes) if layout.overlapping else (None, *size)

    def example(numbers: tf.Tensor) -> tuple[tf.Tensor, Any]:
        types = tf.uint8, tf.uint8, tf.float32
        images, labels, present = tf.numpy_function(lambda each: batch(crops, each), [numbers], types, stateful=False)
        images, labels = tf.ensure_shape(images, shape), tf.ensure_shape(labels, shape_of_labels)
        targets = {"logits": labels} | deep_supervision.labels(labels, options)
        if options.presence_weight:
            targets["presence"] = tf.ensure_shape(present, (None, layout.number_of_classes))
        return images, targets if len(targets) > 1 else labels

    numbers = tf.data.Dataset.range(first_epoch * crops.per_epoch, last_epoch * crops.per_epoch)
    if cluster.workers > 1:  # this worker's part of every batch
        part = options.batch_size // cluster.workers
        own = slice(cluster.worker * part, (cluster.worker + 1) * part)
        numbers = numbers.batch(options.batch_size).map(lambda whole: whole[own]).unbatch()
    numbers = numbers.batch(options.batch_size // cluster.devices, drop_remainder=True)
    batches = numbers.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)
    return cluster.strategy.distribute_datasets_from_function(lambda _: batches) if cluster.strategy else batches


def batch(crops: Crops, numbers: Int64) -> tuple[UInt8, UInt8, Float32]:
    """The crops of these numbers, augmented.

    Args:
        crops: the sequence of crops.
        numbers: int64 (n,).

    Returns:
        Images, uint8 (n, height, width, channels); labels, uint8 (n, height, width) or (n, height, width, classes); and
        which classes occur in each crop, float32 (n, classes), 0 or 1.
    """
    layout, size = crops.data.layout, (len(numbers), crops.height, crops.width)
    images = np.empty((*size, layout.images.channels), np.uint8)
    labels = np.empty((*size, layout.number_of_classes) if layout.overlapping else size, np.uint8)
    present = np.zeros((len(numbers), layout.number_of_classes), np.float32)
    for place, number in enumerate(numbers.tolist()):
        image, labels[place] = augmented(crops.options, crops.seed, number, *crops[number])
        images[place] = image.reshape(images.shape[1:])
        if crops.options.presence_weight:
            present[place, [class_id - 1 for class_id in label_maps.present(labels[place])]] = 1
    return images, labels, present


def augmented(options: Train, seed: int, number: int, image: UInt8, labels: UInt8) -> tuple[UInt8, UInt8]:
    """A crop and its labels flipped together and degraded, its grey levels changed: x·contrast + brightness + noise.

    Contrast is changed about the crop's mean. The result depends only on the seed and the crop's number.

    Args:
        options: how much is changed.
        seed: of the training.
        number: of the crop.
        image: uint8 (height, width) or (height, width, 3).
        labels: uint8, the label map or planes.

    Returns:
        Both, of the same shapes.
    """
    generator = np.random.default_rng((seed, number, 1))
    left_right, up_down, contrast, brightness, spread = generator.random(5).tolist()
    if options.flips:
        for flipped, axis in ((left_right < 0.5, 1), (up_down < 0.5, 0)):
            if flipped:
                image, labels = _flipped(image, axis), _flipped(labels, axis)
    image, labels = degraded(options, seed, number, image, labels)
    factor = 1 + options.contrast * (2 * contrast - 1)
    shift = 255 * options.brightness * (2 * brightness - 1)
    if options.contrast:
        channels = image.shape[2] if image.ndim == 3 else 1
        shift += (1 - factor) * sum(cv2.mean(image)[:channels]) / channels
    if options.noise:
        drawn = _noise(max(NOISE, 2 * image.size))
        start = int(generator.integers(len(drawn) - image.size))
        noise = drawn[start : start + image.size].reshape(image.shape)
        step = 255 * options.noise * spread / UNIT
        return np.asarray(cv2.addWeighted(image, factor, noise, step, shift - MIDDLE * step), np.uint8), labels
    if options.contrast or options.brightness:
        table = np.clip(np.rint(np.arange(256) * factor + shift), 0, 255).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, table), np.uint8)
    return image, labels


def _flipped(values: UInt8, axis: int) -> UInt8:
    return np.asarray(cv2.flip(values, axis), np.uint8).reshape(values.shape)


@lru_cache(maxsize=2)
def _noise(size: int) -> UInt8:
    """Normally distributed values as bytes, the same in every run; each crop's noise is a piece of them."""
    drawn = np.random.default_rng(0).standard_normal(size, np.float32)
    return np.clip(np.rint(MIDDLE + UNIT * drawn), 0, 255).astype(np.uint8)
