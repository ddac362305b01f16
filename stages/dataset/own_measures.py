"""One's own images and labels, read and measured before they are written as a competition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from stages.dataset import duplicates, images, label_maps, own_images
from stages.dataset.label_images import HIGHEST
from stages.dataset.own_images import ImageKind
from stages.dataset.own_labels import Label, Masks
from stages.dataset.validation import Faults
from stages.pipeline import parallel
from stages.pipeline.arrays import Bool, Float32, Int64
from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class OwnImage:
    """One image and its label.

    Attributes:
        image: the file as it was found.
        name: its name in the competition.
        label: its masks; None for an image without a defect.
    """

    image: Path
    name: str
    label: Label | None = None


@dataclass(frozen=True)
class OwnMeasures:
    """What is known of the images; the arrays are in their order.

    Attributes:
        kinds: size and depth of each.
        pixels: pixels of each class, int64 (images, classes).
        claimed_twice: pixels that several classes claim, int64 (images,).
        coloured: whether red, green and blue differ, boolean (images,).
        signatures: of `duplicates`, float32 (images, duplicates.SIZE).
        levels: the values that become black and white, for images of more than 8 bits.
    """

    kinds: list[ImageKind]
    pixels: Int64
    claimed_twice: Int64
    coloured: Bool
    signatures: Float32
    levels: tuple[int, int] | None

    @property
    def sizes(self) -> Int64:
        """Height and width of each image, int64 (images, 2)."""
        return np.array([kind.size for kind in self.kinds], np.int64).reshape(-1, 2)

    @property
    def working_size(self) -> tuple[int, int]:
        """That of all images; if they differ, about the median, multiples of 32, at most 512."""
        if (self.sizes == self.sizes[0]).all():
            return self.kinds[0].size
        height, width = np.median(self.sizes, axis=0)
        scale = min(1.0, 512 / max(height, width))
        return max(32, round(scale * height / 32) * 32), max(32, round(scale * width / 32) * 32)


def measure(found: Sequence[OwnImage], classes: int | None) -> OwnMeasures:
    """Read every image and label and check them.

    Args:
        found: images and labels.
        classes: how many classes there are; None for the highest class id that occurs.

    Raises:
        UserError: what is unreadable or does not fit, listed; or images of 8 and of more bits together.
    """
    kinds = _each(lambda one: own_images.kind(one.image), found, "headers")
    levels = _levels(found, kinds)
    count = len(found)
    blank = OwnMeasures(kinds, np.zeros((count, 1), np.int64), np.zeros(count, np.int64), np.zeros(count, np.bool_),
                     np.zeros((count, duplicates.SIZE), np.float32), levels)  # fmt: skip
    sized = len({kind.size for kind in kinds}) == 1
    target = None if sized else blank.working_size

    def read(number: int) -> Int64:
        one, kind = found[number], kinds[number]
        pixels = own_images.read(one.image, levels)
        blank.coloured[number] = own_images.is_coloured(pixels)
        grey = images.grey(pixels) if blank.coloured[number] else np.ascontiguousarray(pixels[..., 0])
        if target:
            grey = label_maps.resize(grey, target, cv2.INTER_AREA)
        blank.signatures[number] = duplicates.signature(grey)
        masks = one.label.masks(kind.size) if one.label else []
        blank.claimed_twice[number] = _claimed_twice(masks, kind.size)
        return _areas(one, masks, classes)

    areas = np.stack(_each(read, range(count), "reading"))
    present = int(np.flatnonzero(areas.any(axis=0)).max(initial=-1)) + 1
    return OwnMeasures(
        kinds, areas[:, : classes or present], blank.claimed_twice, blank.coloured, blank.signatures, levels
    )


def _each(work: Callable[[Any], Any], items: Sequence[Any], title: str) -> list[Any]:
    """Apply `work` on all cores; all mistakes are reported together."""
    faults = Faults()

    def tried(item: Any) -> Any:
        try:
            return work(item)
        except UserError as error:
            return error

    progress = tqdm(parallel.in_order(tried, items), f"convert: {title}", len(items), unit=" images", disable=None)
    results = list(progress)
    for result in results:
        if isinstance(result, UserError):
            faults.add(str(result))
    faults.raise_if_any()
    return results


def _levels(found: Sequence[OwnImage], kinds: Sequence[ImageKind]) -> tuple[int, int] | None:
    deep = [one for one, kind in zip(found, kinds, strict=True) if kind.deep]
    if not deep:
        return None
    if len(deep) < len(found):
        shallow = next(one for one, kind in zip(found, kinds, strict=True) if not kind.deep)
        raise UserError(
            f"{deep[0].image}: expected all images to have 8 bits per channel or all more, found more here, and 8 in "
            f"{shallow.image}"
        )
    largest = max(own_images.largest_value(one.image) for one in deep)
    return 0, (1 << max(8, int(largest).bit_length())) - 1


def _claimed_twice(masks: Masks, size: tuple[int, int]) -> int:
    if len({class_id for class_id, _ in masks}) < 2:
        return 0
    planes = joined(masks, size)
    return int(sum(plane.sum() for plane in planes.values()) - np.logical_or.reduce([*planes.values()]).sum())


def joined(masks: Masks, size: tuple[int, int]) -> dict[int, Bool]:
    """The union of the masks of each class, ClassId 1 first."""
    joined: dict[int, Bool] = {}
    for class_id, mask in masks:
        joined[class_id] = joined.get(class_id, np.zeros(size, np.bool_)) | mask
    return {class_id: joined[class_id] for class_id in sorted(joined)}


def _areas(one: OwnImage, masks: Masks, classes: int | None) -> Int64:
    areas = np.zeros(HIGHEST, np.int64)
    for class_id, mask in masks:
        if class_id > (classes or HIGHEST):
            raise UserError(
                f"{one.image}: expected class ids of 0 … {classes or HIGHEST} in its label, found {class_id}"
            )
        areas[class_id - 1] += np.count_nonzero(mask)
    return areas
