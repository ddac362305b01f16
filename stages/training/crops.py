"""Training batches: crops of the prepared images, flipped, turned, lighter or darker, the same for the same seed."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.dataset.prepared import Dataset, Sample
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train
from stages.training.distribution import SINGLE_DEVICE, Cluster

Crop = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
Place = tuple[Sample, int, int]

BLACK = 16  # grey levels up to this are black: the margin beside the strip, with what JPEG makes of it
TRIES = 8  # places that are drawn for a crop which is not too black; the last one is taken


class Crops:
    """An endless numbered sequence of crops.

    Crop number n depends on n and the seed alone, so a training can be taken up anywhere. An epoch has
    `crops_per_image` crops for every image. A share `foreground_fraction` of them shows a class drawn at random, by
    `foreground_sampling`, however rare; the others lie anywhere in the images, which take turns.
    """

    def __init__(self, data: Dataset, samples: list[Sample], options: Train, seed: int) -> None:
        self.data = data
        self.samples = samples
        self.seed = seed
        self.options = options
        self.height = min(options.crop_height, data.images.height)
        self.width = min(options.crop_width, data.images.width)
        if options.quarter_turns and self.height != self.width:
            raise UserError(
                f"params.yaml: train: quarter_turns: expected square crops, found {self.height}×{self.width} "
                "(crop_height, crop_width)"
            )
        self.visits = options.crops_per_image
        self.steps = max(1, len(samples) * self.visits // options.batch_size)  # batches an epoch
        self.per_epoch = self.steps * options.batch_size
        holders = [
            [sample for sample in samples if sample.pixels[number]] for number, _ in enumerate(data.classes)
        ]  # samples that hold each class
        self._holders = {class_id: held for class_id, held in enumerate(holders, start=1) if held}
        power = {"equal": 0.0, "sqrt": 0.5, "natural": 1.0}[options.foreground_sampling]
        often = np.array([len(held) for held in self._holders.values()], np.float64) ** power
        self._often = often / often.sum() if len(often) else often
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    def __getitem__(self, number: int) -> Crop:
        """Crop `number`: grey levels and label map, both uint8 of shape (height, width)."""
        generator = np.random.default_rng((self.seed, number))
        for _ in range(TRIES):
            sample, top, left = self._place(number, generator)
            window = np.s_[top : top + self.height, left : left + self.width]
            image, labels = self.data.images[sample.position], self.data.labels[sample.position]
            if (
                self.options.max_black_fraction == 1
                or (image[window] <= BLACK).mean() <= self.options.max_black_fraction
            ):
                break
        if self.options.rotation:
            angle = generator.uniform(-self.options.rotation, self.options.rotation)
            crop = self._turned(image, top, left, angle, cv2.INTER_LINEAR)
            mask = self._turned(labels, top, left, angle, cv2.INTER_NEAREST)
        else:
            crop, mask = image[window], labels[window]
        if self.options.quarter_turns and generator.random() < 0.5:
            crop, mask = np.ascontiguousarray(crop.T), np.ascontiguousarray(mask.T)
        return crop, mask

    def _place(self, number: int, generator: np.random.Generator) -> Place:
        """Draw an image and the upper left corner of a crop in it."""
        highest = (self.data.images.height - self.height, self.data.images.width - self.width)
        if self._holders and generator.random() < self.options.foreground_fraction:
            class_id = int(generator.choice(list(self._holders), p=self._often))
            held = self._holders[class_id]
            sample = held[generator.integers(len(held))]
            labels = self.data.labels[sample.position]
            inside = np.flatnonzero(labels == class_id)
            pixel = np.unravel_index(inside[generator.integers(len(inside))], labels.shape)
            lowest = np.maximum(np.subtract(pixel, (self.height - 1, self.width - 1)), 0)
            top, left = generator.integers(lowest, np.minimum(pixel, highest), endpoint=True)
        else:
            epoch, place = divmod(number, self.per_epoch)
            order = self._order(epoch)
            sample = self.samples[order[place % len(order)]]
            top, left = generator.integers(0, highest, endpoint=True)
        return sample, int(top), int(left)

    def _turned(
        self, image: npt.NDArray[np.uint8], top: int, left: int, angle: float, interpolation: int
    ) -> npt.NDArray[np.uint8]:
        """A crop turned about its middle by an angle in degrees; what lies outside the image is mirrored."""
        middle = (left + (self.width - 1) / 2, top + (self.height - 1) / 2)
        turn = cv2.getRotationMatrix2D(middle, angle, 1.0)
        turn[:, 2] -= (left, top)
        size = (self.width, self.height)
        turned = cv2.warpAffine(image, turn, size, flags=interpolation, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(turned, np.uint8)

    def pixels(self, most: int) -> npt.NDArray[np.int64]:
        """Pixels of each class in the first epoch's crops, at most `most` of them: int64 (1 + classes,)."""
        size = 1 + len(self.data.classes)
        counts = np.zeros(size, np.int64)
        for number in range(min(self.per_epoch, most)):
            counts += np.bincount(self[number][1].reshape(-1), minlength=size)
        return counts

    def _epoch_order(self, epoch: int) -> npt.NDArray[np.int64]:
        generator = np.random.default_rng((self.seed, epoch, 0))
        return np.concatenate([generator.permutation(len(self.samples)) for _ in range(self.visits)])


def dataset(crops: Crops, first_epoch: int, last_epoch: int, cluster: Cluster = SINGLE_DEVICE) -> Any:
    """Batches of the epochs first_epoch … last_epoch - 1, one after the other; each device's part of them.

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
        numbers = tf.range(1, classes + 1, dtype=tf.int32)
        present = tf.reduce_any(tf.cast(labels, tf.int32)[..., tf.newaxis] == numbers, axis=(0, 1))
        return image, {"logits": labels, "presence": tf.cast(present, tf.float32)}

    numbers = tf.data.Dataset.range(first_epoch * crops.per_epoch, last_epoch * crops.per_epoch)
    if cluster.workers > 1:  # of every batch the numbers that are this worker's
        part = options.batch_size // cluster.workers
        mine = slice(cluster.worker * part, (cluster.worker + 1) * part)
        numbers = numbers.batch(options.batch_size).map(lambda batch: batch[mine]).unbatch()
    crop = numbers.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = crop.batch(options.batch_size // cluster.devices, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    return cluster.strategy.distribute_datasets_from_function(lambda _: batches) if cluster.strategy else batches


def _augmented(
    options: Train, seed: int, number: tf.Tensor, image: tf.Tensor, labels: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """A crop flipped and turned with its labels, and its grey levels changed."""
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
