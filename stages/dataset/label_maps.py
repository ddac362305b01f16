"""Which class each pixel of an image has: the one representation of masks behind the readers.

A label map is uint8 (height, width), 0 background, else ClassId. Where classes overlap there are planes instead: uint8
(height, width, classes), 1 inside, so that no class hides another. Every function here takes either.

This module also runs in a Kaggle notebook: it needs NumPy and OpenCV only.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from stages.dataset import rle
from stages.pipeline.arrays import Bool, Int64, UInt8


def are_planes(labels: UInt8) -> bool:
    """Whether classes may overlap."""
    return labels.ndim == 3


def of_class(labels: UInt8, class_id: int) -> Bool:
    """The mask of one class, boolean (height, width)."""
    if are_planes(labels):
        return np.asarray(labels[..., class_id - 1] != 0)
    return np.asarray(labels == class_id)


def present(labels: UInt8) -> list[int]:
    """ClassIds that have a pixel, ascending."""
    if are_planes(labels):
        return [index + 1 for index in range(labels.shape[2]) if labels[..., index].any()]
    return [int(class_id) for class_id in np.unique(labels[labels > 0])]


def anything(labels: UInt8) -> Bool:
    """Pixels that have a class, boolean (height, width)."""
    return np.asarray(labels.any(axis=-1) if are_planes(labels) else labels != 0)


def pixels(labels: UInt8, classes: int) -> Int64:
    """Pixels of the background, then of each class: int64 (1 + classes,). With overlaps their sum is larger."""
    if not are_planes(labels):
        return np.bincount(labels.reshape(-1), minlength=1 + classes)
    counts = np.empty(1 + classes, np.int64)
    counts[0] = labels.shape[0] * labels.shape[1] - np.count_nonzero(anything(labels))
    counts[1:] = [np.count_nonzero(labels[..., index]) for index in range(classes)]
    return counts


def drawn(
    masks: Sequence[tuple[int, rle.Runs]], classes: int, size: tuple[int, int], *, overlapping: bool = False
) -> UInt8:
    """Draw masks as a label map, or as planes if classes may overlap.

    Args:
        masks: ClassId and runs of each mask.
        classes: how many classes there are.
        size: height and width in pixels.
        overlapping: False: where masks overlap, the highest ClassId counts.
    """
    return planes(masks, classes, *size) if overlapping else label_map(masks, *size)


def label_map(masks: Iterable[tuple[int, rle.Runs]], height: int, width: int) -> UInt8:
    """Draw the masks of one image into one map.

    Args:
        masks: ClassId, 1 … 255, and runs of each mask; several masks may have one class.
        height, width: size of the image in pixels.

    Returns:
        uint8 of shape (height, width): 0 background, else ClassId. Where masks overlap, the highest ClassId counts.
    """
    own = list(masks)
    columns = _without_overlaps(own, height * width)
    if columns is None:
        columns = np.zeros(height * width, np.uint8)
        for class_id, runs in own:
            np.maximum(columns, rle.filled(runs, np.uint8(class_id), height * width), out=columns)
    return np.asarray(cv2.transpose(columns.reshape(width, height)), np.uint8)  # faster than NumPy's


def _without_overlaps(masks: Sequence[tuple[int, rle.Runs]], pixels: int) -> UInt8 | None:
    """The masks of one image column by column, all drawn at once, uint8 (pixels,); None if two of them overlap."""
    if len(masks) < 2:
        return rle.filled(masks[0][1], np.uint8(masks[0][0]), pixels) if masks else np.zeros(pixels, np.uint8)
    starts = np.concatenate([runs.starts for _, runs in masks])
    lengths = np.concatenate([runs.lengths for _, runs in masks])
    values = np.repeat(np.array([class_id for class_id, _ in masks], np.uint8), [len(runs.starts) for _, runs in masks])
    order = starts.argsort(kind="stable")
    starts, lengths = starts[order], lengths[order]
    if (starts[1:] < (starts + lengths)[:-1]).any():
        return None
    return rle.filled(rle.Runs(starts, lengths), values[order], pixels)


def planes(masks: Iterable[tuple[int, rle.Runs]], classes: int, height: int, width: int) -> UInt8:
    """Draw the masks of one image into one plane per class, which keeps overlaps.

    Returns:
        uint8 of shape (height, width, classes): 1 inside.
    """
    columns = np.zeros((classes, width, height), np.uint8)
    for class_id, runs in masks:
        columns[class_id - 1] |= rle.draw(runs, height, width).T.view(np.uint8)
    return columns.transpose(2, 1, 0)


def claimed_twice(masks: Sequence[tuple[int, rle.Runs]]) -> bool:
    """Whether masks of different classes have a pixel in common."""
    if len({class_id for class_id, _ in masks}) < 2:
        return False
    return rle.overlap([runs for _, runs in masks])


def resized(labels: UInt8, size: tuple[int, int]) -> UInt8:
    """The same at another height and width: each pixel gets the class of the nearest one."""
    if labels.shape[:2] == size:
        return labels
    return resize(labels, size, cv2.INTER_NEAREST_EXACT)


def resize(values: UInt8, size: tuple[int, int], interpolation: int) -> UInt8:
    """`cv2.resize` for any number of channels; keeps the shape (height, width, channels)."""
    height, width = size
    if values.ndim == 2:
        return np.asarray(cv2.resize(values, (width, height), interpolation=interpolation), np.uint8)
    planes = np.ascontiguousarray(np.moveaxis(values, -1, 0))
    found = [cv2.resize(plane, (width, height), interpolation=interpolation) for plane in planes]
    return np.stack(found).astype(np.uint8, copy=False).transpose(1, 2, 0)  # a view: plane by plane in memory


def packed(labels: UInt8) -> UInt8:
    """Planes as one byte per pixel, a bit for each of up to eight classes: uint8 (height, width)."""
    weights = (1 << np.arange(labels.shape[-1])).astype(np.uint8)
    return np.asarray((labels * weights).sum(axis=-1, dtype=np.uint8))


def unpacked(bits: UInt8, classes: int) -> UInt8:
    """The inverse of `packed`."""
    planes = np.stack([(bits >> np.uint8(index)) & np.uint8(1) for index in range(classes)])
    return planes.transpose(1, 2, 0)  # a view: each plane lies in memory by itself
