"""Training batches: crops of the prepared images, flipped, lighter or darker, the same in every run of one seed."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.competition.prepared import Entry, Prepared
from stages.settings import Train

Crop = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


class Crops:
    """An endless numbered sequence of crops.

    Crop number n depends on n and the seed alone, so a training can be taken up anywhere. One epoch visits every
    image `crops_per_image` times, in a new order each time.
    """

    def __init__(self, data: Prepared, entries: list[Entry], options: Train, seed: int) -> None:
        self.data = data
        self.entries = entries
        self.seed = seed
        self.height = min(options.crop_height, data.images.height)
        self.width = min(options.crop_width, data.images.width)
        self.defect_crops = options.defect_crops
        self.visits = options.crops_per_image
        batch = options.batch_size
        self.steps = max(1, len(entries) * self.visits // batch)  # batches an epoch
        self.per_epoch = self.steps * batch
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    def __getitem__(self, number: int) -> Crop:
        """Crop `number`: grey levels and label map, both uint8 of shape (height, width)."""
        epoch, place = divmod(number, self.per_epoch)
        order = self._order(epoch)
        entry = self.entries[order[place % len(order)]]
        generator = np.random.default_rng((self.seed, number))
        image, labels = self.data.images[entry.position], self.data.labels[entry.position]
        top, left = self._corner(labels, entry, generator)
        window = np.s_[top : top + self.height, left : left + self.width]
        return image[window], labels[window]

    def _epoch_order(self, epoch: int) -> npt.NDArray[np.int64]:
        generator = np.random.default_rng((self.seed, epoch, 0))
        return np.concatenate([generator.permutation(len(self.entries)) for _ in range(self.visits)])

    def _corner(self, labels: npt.NDArray[np.uint8], entry: Entry, generator: np.random.Generator) -> tuple[int, int]:
        """Upper left corner: anywhere, or so that a pixel of one of the image's classes lies within."""
        highest = np.array(labels.shape) - (self.height, self.width)
        present = [class_id for class_id, count in enumerate(entry.pixels, start=1) if count]
        if not present or generator.random() >= self.defect_crops:
            top, left = generator.integers(0, highest, endpoint=True)
            return int(top), int(left)
        pixels = np.flatnonzero(labels == generator.choice(present))
        pixel = np.array(np.unravel_index(generator.choice(pixels), labels.shape))
        lowest = np.maximum(pixel - (self.height - 1, self.width - 1), 0)
        top, left = generator.integers(lowest, np.minimum(pixel, highest), endpoint=True)
        return int(top), int(left)


def dataset(crops: Crops, options: Train, first_epoch: int, last_epoch: int) -> tf.data.Dataset:
    """Batches of the epochs first_epoch … last_epoch - 1, one after the other.

    Returns:
        Batches of grey levels, float32 (batch, height, width, 1) in 0 … 255, and label maps, uint8
        (batch, height, width).
    """
    shape = (crops.height, crops.width)

    def load(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, labels = tf.numpy_function(lambda n: crops[int(n)], [number], (tf.uint8, tf.uint8), stateful=False)
        return tf.ensure_shape(image, shape), tf.ensure_shape(labels, shape)

    def augment(number: tf.Tensor, image: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seeds = tf.random.experimental.stateless_split([crops.seed, number], 4)
        both = tf.stack([image, labels], axis=-1)  # (height, width, 2): flipped together
        if options.flips:
            both = tf.image.stateless_random_flip_left_right(both, seeds[0])
            both = tf.image.stateless_random_flip_up_down(both, seeds[1])
        grey = tf.cast(both[..., :1], tf.float32)
        if options.contrast:
            grey = tf.image.stateless_random_contrast(grey, 1 - options.contrast, 1 + options.contrast, seeds[2])
        if options.brightness:
            grey = tf.image.stateless_random_brightness(grey, 255 * options.brightness, seeds[3])
        return tf.clip_by_value(grey, 0, 255), both[..., 1]

    numbers = tf.data.Dataset.range(first_epoch * crops.per_epoch, last_epoch * crops.per_epoch)
    crop = numbers.map(lambda n: augment(n, *load(n)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return crop.batch(options.batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
