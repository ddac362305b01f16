"""Which crops of the prepared images a network is trained on: the same for the same seed."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from stages.dataset import images, label_maps
from stages.dataset.prepared import Dataset, Sample
from stages.pipeline.arrays import Bool, Float64, Int64, UInt8
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


@dataclass(frozen=True)
class Rotation:
    """Where a rotated crop lies in its image.

    Attributes:
        low, high: (x, y) of the corners of the part that is needed, the second exclusive; it may reach outside.
        transform: float64 (2, 3), from that part to the crop.
    """

    low: tuple[int, int]
    high: tuple[int, int]
    transform: Float64


class Crops:
    """An endless numbered sequence of crops.

    Crop n depends only on n and the seed, so a training can continue from any crop. An epoch has `crops_per_image`
    crops for every image, or for every tile of images that are cut into tiles. A fraction `foreground_fraction` of them
    shows a class that is drawn at random, weighted by `foreground_sampling`, so that rare classes appear too. The other
    crops lie anywhere in the images, which take turns.
    """

    def __init__(self, data: Dataset, samples: list[Sample], options: Train, seed: int) -> None:
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
        if self.options.rotation:
            rotation = self._rotation(place, generator.uniform(-self.options.rotation, self.options.rotation))
            crop = self._rotated(image, rotation, cv2.INTER_LINEAR)
            mask = self._blank() if labels is None else self._rotated(labels, rotation, cv2.INTER_NEAREST)
        else:
            crop = image[window]
            mask = self._blank() if labels is None else labels[window]
        if self.options.quarter_turns and generator.random() < 0.5:
            crop, mask = (np.ascontiguousarray(values.swapaxes(0, 1)) for values in (crop, mask))
        return crop, mask

    def _place(self, number: int, generator: np.random.Generator) -> Place:
        """Draw an image and the upper left corner of a crop in it."""
        highest = (self.data.images.height - self.height, self.data.images.width - self.width)
        if self._with_class and generator.random() < self.options.foreground_fraction:
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

    def _rotation(self, place: Place, angle: float) -> Rotation:
        """The rotation of a crop about its centre by an angle in degrees, in plain numbers: NumPy's take longer."""
        transform = np.asarray(cv2.getRotationMatrix2D((0, 0), angle, 1.0), np.float64)
        (xx, xy, _), (yx, yy, _) = transform.tolist()
        x, y = (self.width - 1) / 2, (self.height - 1) / 2
        right, down = abs(xx) * x + abs(xy) * y + 1, abs(yx) * x + abs(yy) * y + 1  # how far it reaches in the image
        low = math.floor(place.left + x - right), math.floor(place.top + y - down)
        high = math.ceil(place.left + x + right) + 1, math.ceil(place.top + y + down) + 1
        middle_x, middle_y = place.left + x - low[0], place.top + y - low[1]
        transform[:, 2] = x - xx * middle_x - xy * middle_y, y - yx * middle_x - yy * middle_y
        return Rotation(low, high, transform)

    def _rotated(self, image: UInt8, rotation: Rotation, interpolation: int) -> UInt8:
        if image.ndim == 3 and image.shape[2] != 3:  # OpenCV rotates up to four channels at a time
            planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
            return np.stack([self._rotated(plane, rotation, interpolation) for plane in planes], axis=-1)
        return self._rotated_once(image, rotation, interpolation)

    def _rotated_once(self, image: UInt8, rotation: Rotation, interpolation: int) -> UInt8:
        """A rotated crop; pixels outside the image are mirrored.

        OpenCV takes half as long again if it mirrors them itself, so the part that is needed is filled up first. Labels
        are nothing but background around most crops, which is seen sooner than rotated.
        """
        part = _mirrored(image, rotation.low, rotation.high)
        if interpolation == cv2.INTER_NEAREST and not cv2.hasNonZero(part):
            return np.zeros((self.height, self.width), np.uint8)
        size = self.width, self.height
        return np.asarray(cv2.warpAffine(part, rotation.transform, size, flags=interpolation), np.uint8)

    def _blank(self) -> UInt8:
        """The labels of a crop without a defect, none of which is read."""
        layout = self.data.layout
        planes = (layout.number_of_classes,) if layout.overlapping else ()
        return np.zeros((self.height, self.width, *planes), np.uint8)

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


def _pixel(mask: Bool, generator: np.random.Generator) -> tuple[int, int]:
    """Row and column of a pixel of the mask, each with the same probability."""
    rows = np.cumsum(cv2.reduce(mask.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S))
    number = generator.integers(rows[-1])
    row = int(np.searchsorted(rows, number, side="right"))
    before = rows[row - 1] if row else 0
    return row, int(np.flatnonzero(mask[row])[number - before])


def _mirrored(image: UInt8, low: tuple[int, int], high: tuple[int, int]) -> UInt8:
    """The part of an image from (x, y) `low` up to but without `high`; what lies outside the image is mirrored."""
    across, left, right, x = _inside(low[0], high[0], image.shape[1])
    down, top, bottom, y = _inside(low[1], high[1], image.shape[0])
    part = image[down, across]
    if left or right or top or bottom:
        part = np.asarray(cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_REFLECT_101), np.uint8)
    return part[y : y + high[1] - low[1], x : x + high[0] - low[0]]


def _inside(low: int, high: int, size: int) -> tuple[slice, int, int, int]:
    """What of low … high - 1 lies in an axis of this size; how much lies before and after; where `low` is in that.

    Two more are taken at either end, so that what is mirrored at one edge does not meet the end of the part.
    """
    start, stop = max(low - 2, 0), min(high + 2, size)
    return slice(start, stop), max(start - low, 0), max(high - stop, 0), max(low - start, 0)
