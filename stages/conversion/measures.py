"""One's own images and labels, read and measured before they are written as a competition."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from stages.conversion import image_files
from stages.conversion.image_files import UPRIGHT, ImageKind
from stages.conversion.label_pictures import HIGHEST
from stages.conversion.labels import LabelledImage, Masks
from stages.conversion.remarks import some, tell
from stages.dataset import duplicates, images, label_maps
from stages.dataset.validation import Faults
from stages.pipeline import parallel
from stages.pipeline.arrays import Bool, Float32, Int64
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar


@dataclass(frozen=True)
class Measures:
    """What is known of the images; the arrays are in their order.

    Attributes:
        kinds: what the header of each says.
        pixels: pixels of each class, int64 (images, classes).
        claimed_twice: pixels that several classes claim, int64 (images,).
        coloured: whether red, green and blue differ, boolean (images,).
        transparent: whether a pixel is not opaque, boolean (images,).
        signatures: of `duplicates`, float32 (images, duplicates.SIZE).
        levels: the values that become black and white, for images of more than 8 bits.
    """

    kinds: list[ImageKind]
    pixels: Int64
    claimed_twice: Int64
    coloured: Bool
    transparent: Bool
    signatures: Float32
    levels: tuple[int, int] | None

    @property
    def sizes(self) -> Int64:
        """Height and width of each image, int64 (images, 2)."""
        return np.array([kind.size for kind in self.kinds], np.int64).reshape(-1, 2)

    @property
    def equal(self) -> bool:
        """Whether all images have one size."""
        return bool((self.sizes == self.sizes[0]).all())

    @property
    def working_size(self) -> tuple[int, int]:
        """That of all images; if they differ, about the median, multiples of 32, at most 512."""
        if self.equal:
            return self.kinds[0].size
        height, width = np.median(self.sizes, axis=0)
        scale = min(1.0, 512 / max(height, width))
        return max(32, round(scale * height / 32) * 32), max(32, round(scale * width / 32) * 32)

    def part(self, chosen: Bool) -> "Measures":
        """Those of some of the images, boolean (images,)."""
        return replace(
            self,
            kinds=[kind for kind, is_in in zip(self.kinds, chosen.tolist(), strict=True) if is_in],
            pixels=self.pixels[chosen],
            claimed_twice=self.claimed_twice[chosen],
            coloured=self.coloured[chosen],
            transparent=self.transparent[chosen],
            signatures=self.signatures[chosen],
        )


def measure(found: Sequence[LabelledImage], classes: int | None) -> Measures:
    """Read every image and label and check them.

    Args:
        found: images and labels.
        classes: how many classes there are; None for the highest class id that occurs.

    Raises:
        UserError: what is unreadable or does not fit, listed; or images of 8 and of more bits together.
    """
    kinds = _each(lambda one: image_files.kind(one.image), found, "headers")
    levels = _levels(found, kinds)
    count = len(found)
    blank = Measures(kinds, np.zeros((count, 1), np.int64), np.zeros(count, np.int64), np.zeros(count, np.bool_),
                     np.zeros(count, np.bool_), np.zeros((count, duplicates.SIZE), np.float32), levels)  # fmt: skip
    target = None if blank.equal else blank.working_size

    def read(number: int) -> Int64:
        one, kind = found[number], kinds[number]
        pixels = image_files.read(one.image, levels)
        blank.coloured[number] = image_files.is_coloured(pixels)
        blank.transparent[number] = kind.alpha and image_files.is_transparent(one.image)
        grey = images.grey(pixels) if blank.coloured[number] else np.ascontiguousarray(pixels[..., 0])
        if target:
            grey = label_maps.resize(grey, target, cv2.INTER_AREA)
        blank.signatures[number] = duplicates.signature(grey)
        masks = one.masks(kind)
        blank.claimed_twice[number] = _claimed_twice(masks, kind.size)
        return _areas(one, masks, classes)

    areas = np.stack(_each(read, range(count), "reading"))
    present = int(np.flatnonzero(areas.any(axis=0)).max(initial=-1)) + 1
    measured = replace(blank, pixels=areas[:, : classes or present])
    _tell(found, measured)
    return measured


def _tell(found: Sequence[LabelledImage], measured: Measures) -> None:
    turned = [one.name for one, kind in zip(found, measured.kinds, strict=True) if kind.orientation != UPRIGHT]
    if turned:
        tell(
            f"images that EXIF turns are kept as stored, which is how networks see them, and masks that were drawn on "
            f"the turned picture are turned back: {some(turned)}"
        )
    transparent = [one.name for one, is_so in zip(found, measured.transparent, strict=True) if is_so]
    if transparent:
        tell(f"images with transparent pixels, of which the colour counts: {some(transparent)}")


def _each(work: Callable[[Any], Any], items: Sequence[Any], title: str) -> list[Any]:
    """Apply `work` on all cores; all mistakes are reported together."""
    faults = Faults()

    def tried(item: Any) -> Any:
        try:
            return work(item)
        except UserError as error:
            return error

    progress = bar(parallel.in_order(tried, items), f"convert: {title}", len(items))
    results = list(progress)
    for result in results:
        if isinstance(result, UserError):
            faults.add(str(result))
    faults.raise_if_any()
    return results


def _levels(found: Sequence[LabelledImage], kinds: Sequence[ImageKind]) -> tuple[int, int] | None:
    deep = [one for one, kind in zip(found, kinds, strict=True) if kind.deep]
    if not deep:
        return None
    if len(deep) < len(found):
        shallow = next(one for one, kind in zip(found, kinds, strict=True) if not kind.deep)
        raise UserError(
            f"{deep[0].image}: expected all images to have 8 bits per channel or all more, found more here, and 8 in "
            f"{shallow.image}"
        )
    largest = max(_each(lambda one: image_files.largest_value(one.image), deep, "levels"))
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


def _areas(one: LabelledImage, masks: Masks, classes: int | None) -> Int64:
    areas = np.zeros(HIGHEST, np.int64)
    for class_id, mask in masks:
        if class_id > (classes or HIGHEST):
            raise UserError(
                f"{one.image}: expected class ids of 0 … {classes or HIGHEST} in its label, found {class_id}"
            )
        areas[class_id - 1] += np.count_nonzero(mask)
    return areas
