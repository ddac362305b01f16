"""Which crops of the prepared images a network is trained on: the same for the same seed."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from stages.dataset import images, label_maps
from stages.dataset.prepared import Labelled, Sample
from stages.pipeline.arrays import Bool, Int64, UInt8
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train
from stages.training import warps

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
    shows a class that is drawn at random, weighted by `foreground_sampling`, so that rare classes appear too. It may
    change from epoch to epoch. The other crops lie anywhere in the images, which take turns.
    """

    def __init__(self, data: Labelled, samples: list[Sample], options: Train, seed: int) -> None:
        self.data = data
        self._images = samples
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
        total = frequency.cumsum()
        self._up_to = (total / total[-1:]).tolist()  # probability of each class and those before it
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process, which opens the data itself."""
        return Crops, (self.data, self._images, self.options, self.seed)

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
        labels = place.labels
        if labels is None and any(place.sample.pixels):
            labels = self.data.labels[place.sample.position]
        if warps.changes(self.options):
            warp = warps.drawn(self.options, generator, (place.left, place.top), (self.width, self.height))
            crop = warp(image, cv2.INTER_LINEAR)
            mask = self._blank() if labels is None else warp(labels, cv2.INTER_NEAREST)
        else:
            crop = image[window]
            mask = self._blank() if labels is None else labels[window]
        if self.options.quarter_turns and generator.random() < 0.5:
            crop, mask = (np.ascontiguousarray(values.swapaxes(0, 1)) for values in (crop, mask))
        return crop, mask

    def _place(self, number: int, generator: np.random.Generator) -> Place:
        """Draw an image and the upper left corner of a crop in it."""
        highest = (self.data.images.height - self.height, self.data.images.width - self.width)
        if self._with_class and generator.random() < self._foreground_fraction(number):
            class_id = list(self._with_class)[bisect_right(self._up_to, generator.random())]
            shown = self._with_class[class_id]
            sample = shown[generator.integers(len(shown))]
            labels = self.data.labels[sample.position]
            pixel = _pixel(label_maps.of_class(labels, class_id), generator)
            top, left = (
                int(generator.integers(max(at - side + 1, 0), min(at, most), endpoint=True))
                for at, side, most in zip(pixel, (self.height, self.width), highest, strict=True)
            )
            return Place(sample, top, left, labels)
        epoch, position = divmod(number, self.per_epoch)
        order = self._order(epoch)
        sample = self.samples[order[position % len(order)]]
        top, left = (int(generator.integers(0, most, endpoint=True)) for most in highest)
        return Place(sample, top, left)

    def _foreground_fraction(self, number: int) -> float:
        """The fraction of the crops of this crop's epoch that is placed on a defect, 0 … 1; linear over the epochs."""
        fraction = self.options.foreground_fraction
        if not isinstance(fraction, tuple):
            return fraction
        first, last = fraction
        return first + (last - first) * min(number // self.per_epoch / max(self.options.epochs - 1, 1), 1)

    def _blank(self) -> UInt8:
        """The labels of a crop without a defect, none of which is read."""
        layout = self.data.layout
        planes = (layout.number_of_classes,) if layout.overlapping else ()
        return np.zeros((self.height, self.width, *planes), np.uint8)

    def pixels(self, most: int) -> Int64:
        """Pixels of each class in an epoch's crops, or in `most` of them: int64 (1 + classes,).

        They are the first epoch's, or lie evenly in all epochs if these differ in how many crops show a defect.
        """
        size = 1 + len(self.data.classes)
        counts = np.zeros(size, np.int64)
        numbers = range(min(self.per_epoch, most))
        if isinstance(self.options.foreground_fraction, tuple):
            whole = self.options.epochs * self.per_epoch
            numbers = range(0, whole, max(1, whole // len(numbers)))[: len(numbers)]
        for number in numbers:
            counts += label_maps.pixels(self[number][1], size - 1)
        return counts

    def _epoch_order(self, epoch: int) -> Int64:
        generator = np.random.default_rng((self.seed, epoch, 0))
        return np.concatenate([generator.permutation(len(self.samples)) for _ in range(self.visits)])


def _pixel(mask: Bool, generator: np.random.Generator) -> tuple[int, int]:
    """Row and column of a pixel of the mask, each with the same probability."""
    rows = np.cumsum(cv2.reduce(mask.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S))
    number = generator.integers(rows[-1])
    row = int(np.searchsorted(rows, number, side="right"))
    before = rows[row - 1] if row else 0
    return row, int(np.flatnonzero(mask[row])[number - before])
