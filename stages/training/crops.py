"""Which crops of the prepared images a network is trained on: the same for the same seed."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from stages.dataset import images, label_maps
from stages.dataset.prepared import Dataset, Sample
from stages.pipeline.arrays import Int64, UInt8
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train

BLACK = 16  # grey levels up to this count as black: the margin beside the strip, with JPEG's noise in it
TRIES = 8  # places that are drawn for a crop that must not be too black; the last one is taken as it is


@dataclass(frozen=True)
class Place:
    """The upper left corner of a crop in an image; `labels`: the image's label map or planes, if already read."""

    sample: Sample
    top: int
    left: int
    labels: UInt8 | None = None


class Crops:
    """An endless numbered sequence of crops.

    Crop n depends only on n and the seed, so a training can continue from any crop. An epoch has `crops_per_image`
    crops for every image, or for every tile of images that are cut into tiles. A fraction `foreground_fraction` of them
    shows a class that is drawn at random, weighted by `foreground_sampling`, so that rare classes appear too. The other
    crops lie anywhere in the images, which take turns.
    """

    def __init__(self, data: Dataset, samples: list[Sample], options: Train, seed: int) -> None:
        self.data = data
        self.samples = samples = data.tiles(samples)
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
        self.steps = max(1, len(samples) * self.visits // options.batch_size)  # batches per epoch
        self.per_epoch = self.steps * options.batch_size
        by_class = [[sample for sample in samples if sample.pixels[number]] for number, _ in enumerate(data.classes)]
        self._with_class = {class_id: shown for class_id, shown in enumerate(by_class, start=1) if shown}
        power = {"equal": 0.0, "sqrt": 0.5, "natural": 1.0}[options.foreground_sampling]
        frequency = np.array([len(shown) for shown in self._with_class.values()], np.float64) ** power
        self._probability = frequency / frequency.sum() if len(frequency) else frequency
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    def __getitem__(self, number: int) -> tuple[UInt8, UInt8]:
        """Crop `number`, uint8: grey levels (height, width) or colours (height, width, 3), and label map or planes."""
        generator = np.random.default_rng((self.seed, number))
        most = self.options.max_black_fraction
        for _ in range(TRIES):
            place = self._place(number, generator)
            window = np.s_[place.top : place.top + self.height, place.left : place.left + self.width]
            image = self.data.images[place.sample.position]
            if most == 1 or (images.grey(image[window]) <= BLACK).mean() <= most:
                break
        labels = self.data.labels[place.sample.position] if place.labels is None else place.labels
        if self.options.rotation:
            angle = generator.uniform(-self.options.rotation, self.options.rotation)
            crop = self._rotated(image, place, angle, cv2.INTER_LINEAR)
            mask = self._rotated(labels, place, angle, cv2.INTER_NEAREST)
        else:
            crop, mask = image[window], labels[window]
        if self.options.quarter_turns and generator.random() < 0.5:
            crop, mask = (np.ascontiguousarray(values.swapaxes(0, 1)) for values in (crop, mask))
        return crop, mask

    def _place(self, number: int, generator: np.random.Generator) -> Place:
        """Draw an image and the upper left corner of a crop in it."""
        highest = (self.data.images.height - self.height, self.data.images.width - self.width)
        if self._with_class and generator.random() < self.options.foreground_fraction:
            class_id = int(generator.choice(list(self._with_class), p=self._probability))
            shown = self._with_class[class_id]
            sample = shown[generator.integers(len(shown))]
            labels = self.data.labels[sample.position]
            inside = np.flatnonzero(label_maps.of_class(labels, class_id))
            pixel = np.unravel_index(inside[generator.integers(len(inside))], labels.shape[:2])
            lowest = np.maximum(np.subtract(pixel, (self.height - 1, self.width - 1)), 0)
            top, left = generator.integers(lowest, np.minimum(pixel, highest), endpoint=True)
            return Place(sample, int(top), int(left), labels)
        epoch, position = divmod(number, self.per_epoch)
        order = self._order(epoch)
        sample = self.samples[order[position % len(order)]]
        top, left = generator.integers(0, highest, endpoint=True)
        return Place(sample, int(top), int(left))

    def _rotated(self, image: UInt8, place: Place, angle: float, interpolation: int) -> UInt8:
        if image.ndim == 3 and image.shape[2] != 3:  # OpenCV rotates up to four channels at a time
            planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
            return np.stack([self._rotated(plane, place, angle, interpolation) for plane in planes], axis=-1)
        return self._rotated_once(image, place, angle, interpolation)

    def _rotated_once(self, image: UInt8, place: Place, angle: float, interpolation: int) -> UInt8:
        """A crop rotated about its centre by an angle in degrees; pixels outside the image are mirrored."""
        centre = (place.left + (self.width - 1) / 2, place.top + (self.height - 1) / 2)
        transform = cv2.getRotationMatrix2D(centre, angle, 1.0)
        transform[:, 2] -= (place.left, place.top)
        size = (self.width, self.height)
        rotated = cv2.warpAffine(image, transform, size, flags=interpolation, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(rotated, np.uint8)

    def pixels(self, most: int) -> Int64:
        """Pixels of each class in the first epoch's crops, or in the first `most` of them: int64 (1 + classes,)."""
        size = 1 + len(self.data.classes)
        counts = np.zeros(size, np.int64)
        for number in range(min(self.per_epoch, most)):
            counts += label_maps.pixels(self[number][1], size - 1)
        return counts

    def _epoch_order(self, epoch: int) -> Int64:
        generator = np.random.default_rng((self.seed, epoch, 0))
        return np.concatenate([generator.permutation(len(self.samples)) for _ in range(self.visits)])
