"""Sheets of training images for people to look at: examples of each class, and the largest masks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.dataset import geometry, images, label_maps, mask_statistics, rle
from stages.dataset.layout import Layout
from stages.dataset.mask_statistics import LARGE, Found, Mask
from stages.dataset.mask_store import MaskStore
from stages.figures import overlays
from stages.pipeline.arrays import Int64, UInt8
from stages.pipeline.cli import UserError

EXAMPLES = 4  # images on the sheet of a class
LARGEST = 6  # images on the sheet of the largest masks
MOST_CLASSES = 24  # with a sheet and a place in the charts; nobody leafs through 254 sheets
MOST_NAMED = 8  # classes above an image
WIDTH = 1600  # pixels; images that are narrower stand side by side


@dataclass(frozen=True)
class Sheet:
    """The content of one sheet: its file name, the line on top, the images, and the ClassId that it is about."""

    file: str
    title: str
    images: tuple[str, ...]
    class_id: int = 0


def choose(found: Found, files: Collection[str]) -> list[Sheet]:
    """One sheet `examples_<class>.jpg` for each class that occurs, and `largest.jpg`.

    Of many classes, only the most frequent ones get a sheet.

    Args:
        found: all masks of the table.
        files: names of the images on disk; masks of other images are ignored.
    """
    sheets, everything = [], []
    shown = mask_statistics.most_frequent(found, MOST_CLASSES)
    for class_id, (name, all_masks) in enumerate(zip(found.layout.classes, found.masks, strict=True), start=1):
        masks = [mask for mask in all_masks if mask.image in files]
        everything += masks
        if class_id not in shown:
            continue
        chosen = mask_statistics.examples(masks, EXAMPLES)
        title = f"{name}: {len(chosen)} of {len(masks):,} masks, from small to large"
        sheets.append(_sheet(f"examples_{name}.jpg", title, chosen, class_id))
    over = sum(mask.area > LARGE for mask in everything)
    title = (
        f"The largest masks: {over:,} of {len(everything):,} exceed {LARGE:,} pixels"
        if over
        else f"The largest masks: none of {len(everything):,} exceeds {LARGE:,} pixels"
    )
    sheets.append(_sheet("largest.jpg", title, mask_statistics.largest(everything, LARGEST)))
    return [sheet for sheet in sheets if sheet.images]


def draw(sheet: Sheet, masks: MaskStore, folder: Path, layout: Layout) -> UInt8:
    """Draw the images of a sheet with their masks outlined, and name, classes and areas above each image.

    Args:
        sheet: what to draw.
        masks: the masks of all images, as `mask_statistics.collect` has stored them.
        folder: where the images are.
        layout: classes and image size.

    Returns:
        RGB picture, uint8 (height, width, 3).

    Raises:
        UserError: an image cannot be read or has another size.
    """
    drawn = [
        _captioned(folder / image, mask_statistics.masks_of(image, masks), layout, sheet.class_id)
        for image in sheet.images
    ]
    body = overlays.stack(drawn, columns=max(1, WIDTH // drawn[0].shape[1]))
    title = overlays.caption(body[:0], sheet.title)  # the bar alone: a gap separates it from the bar of the first image
    return overlays.stack([title, body])


def _captioned(path: Path, masks: Sequence[tuple[int, rle.Runs]], layout: Layout, about: int) -> UInt8:
    try:
        image = geometry.native(geometry.contents(path, layout), path, layout)
    except images.ImageError as error:
        raise UserError(str(error)) from None
    size = (image.shape[0], image.shape[1])
    labels = label_maps.drawn(masks, layout.number_of_classes, size, overlapping=layout.overlapping)
    areas = label_maps.pixels(labels, layout.number_of_classes)  # (background and classes,)
    legend = {
        f"{layout.classes[class_id - 1]}: {areas[class_id]:,} px": overlays.colour(class_id)
        for class_id in _named(areas, about)
    }
    image, labels = overlays.reduced(*overlays.enlarge(image, labels), width=WIDTH)
    classes = int((areas[1:] > 0).sum())
    text = path.name if classes == len(legend) else f"{path.name} (the largest of {classes} classes)"
    return overlays.caption(overlays.outline(image, labels), text, legend)


def _named(areas: Int64, about: int) -> list[int]:
    """ClassIds to name above an image: those with a mask, ascending; of many, the sheet's own, then the largest."""
    there = [class_id for class_id in range(1, len(areas)) if areas[class_id]]
    if len(there) <= MOST_NAMED:
        return there
    return sorted(there, key=lambda class_id: (class_id != about, -areas[class_id]))[:MOST_NAMED]


def _sheet(file: str, title: str, masks: Sequence[Mask], class_id: int = 0) -> Sheet:
    return Sheet(file, title, tuple(mask.image for mask in masks), class_id)
