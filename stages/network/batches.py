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

    Crop number n depends on n and the seed alone, so a training can be taken up anywhere. An epoch has
    `crops_per_image` crops for every image. A share `defect_crops` of them shows a class drawn at random, all classes
    equally often, however rare; the others lie anywhere in the images, which take turns.
    """

    def __init__(self, data: Prepared, entries: list[Entry], options: Train, seed: int) -> None:
        self.data = data
        self.entries = entries
        self.seed = seed
        self.height = min(options.crop_height, data.images.height)
        self.width = min(options.crop_width, data.images.width)
        self.defect_crops = options.defect_crops
        self.visits = options.crops_per_image
        self.steps = max(1, len(entries) * self.visits // options.batch_size)  # batches an epoch
        self.per_epoch = self.steps * options.batch_size
        holders = [
            [entry for entry in entries if entry.pixels[number]] for number, _ in enumerate(data.classes)
        ]  # entries that hold each class
        self._holders = {class_id: held for class_id, held in enumerate(holders, start=1) if held}
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    def __getitem__(self, number: int) -> Crop:
        """Crop `number`: grey levels and label map, both uint8 of shape (height, width)."""
        generator = np.random.default_rng((self.seed, number))
        highest = (self.data.images.height - self.height, self.data.images.width - self.width)
        if self._holders and generator.random() < self.defect_crops:
            class_id = int(generator.choice(list(self._holders)))
            held = self._holders[class_id]
            entry = held[generator.integers(len(held))]
            labels = self.data.labels[entry.position]
            inside = np.flatnonzero(labels == class_id)
            pixel = np.unravel_index(inside[generator.integers(len(inside))], labels.shape)
            lowest = np.maximum(np.subtract(pixel, (self.height - 1, self.width - 1)), 0)
            top, left = generator.integers(lowest, np.minimum(pixel, highest), endpoint=True)
        else:
            epoch, place = divmod(number, self.per_epoch)
            order = self._order(epoch)
            entry = self.entries[order[place % len(order)]]
            labels = self.data.labels[entry.position]
            top, left = generator.integers(0, highest, endpoint=True)
        window = np.s_[top : top + self.height, left : left + self.width]
        return self.data.images[entry.position][window], labels[window]

    def pixels(self, most: int) -> npt.NDArray[np.int64]:
        """Pixels of each class in the first epoch's crops, at most `most` of them: int64 (1 + classes,)."""
        size = 1 + len(self.data.classes)
        counts = np.zeros(size, np.int64)
        for number in range(min(self.per_epoch, most)):
            counts += np.bincount(self[number][1].reshape(-1), minlength=size)
        return counts

    def _epoch_order(self, epoch: int) -> npt.NDArray[np.int64]:
        generator = np.random.default_rng((self.seed, epoch, 0))
        return np.concatenate([generator.permutation(len(self.entries)) for _ in range(self.visits)])


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
