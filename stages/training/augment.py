"""Training batches: crops with random flips, brightness, contrast and noise.

Everything is done on bytes, by NumPy and OpenCV, before a batch becomes a tensor (see `stages.training.batches`): a
crop takes less time than its decoding would. Processes that make batches do without TensorFlow.

To add an augmentation: a few lines in `augmented`, with a random number of its own at the end of those that it draws,
and a parameter in `stages.pipeline.train_settings.Train`. What makes crops harder to see is in
`stages.training.degradations`; what draws pixels anew, such as a rotation, in `stages.training.warps`.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from stages.dataset import label_maps
from stages.pipeline.arrays import Float32, Int64, UInt8
from stages.pipeline.settings import Train
from stages.training.crops import Crops
from stages.training.degradations import degraded

NOISE = 1 << 20  # random values that noise is cut from, at least
MIDDLE, UNIT = 128, 32  # these values as bytes: the one that stands for 0, and their standard deviation


class Batch(NamedTuple):
    """What a network learns from in one step.

    Attributes:
        images: uint8 (n, height, width, channels).
        labels: label maps, uint8 (n, height, width), or planes (n, height, width, classes) where classes overlap.
        present: which classes occur in each crop, float32 (n, classes), 0 or 1; zeros without an image-level head.
    """

    images: UInt8
    labels: UInt8
    present: Float32


def empty(crops: Crops, size: int, memory: Any = None) -> Batch:
    """Room for so many crops, in new memory or at the beginning of some that is given; nothing is set."""
    layout, places = crops.data.layout, (size, crops.height, crops.width)
    planes = (layout.number_of_classes,) if layout.overlapping else ()
    present = np.ndarray((size, layout.number_of_classes), np.float32, memory)  # first, for its numbers of four bytes
    images = np.ndarray((*places, layout.images.channels), np.uint8, memory, present.nbytes)
    labels = np.ndarray((*places, *planes), np.uint8, memory, present.nbytes + images.nbytes)
    return Batch(images, labels, present)


def batch(crops: Crops, numbers: Int64, into: Batch | None = None) -> Batch:
    """The crops of these numbers, augmented.

    Args:
        crops: the sequence of crops.
        numbers: int64 (n,).
        into: room for them; None: new arrays.
    """
    images, labels, present = into or empty(crops, len(numbers))
    present[:] = 0
    for place, number in enumerate(numbers.tolist()):
        image, labels[place] = augmented(crops.options, crops.seed, number, *crops[number])
        images[place] = image.reshape(images.shape[1:])
        if crops.options.presence_weight:
            present[place, [class_id - 1 for class_id in label_maps.present(labels[place])]] = 1
    return Batch(images, labels, present)


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
