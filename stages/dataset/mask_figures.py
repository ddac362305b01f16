"""Figures of the masks that `mask_statistics.collect` has found, as numbers and as sentences."""

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from stages.dataset.image_sizes import ImageSizes
from stages.dataset.mask_statistics import LARGE, Found, known_images, missing_files
from stages.pipeline import paths


def summarise(found: Found, files: Collection[str], sizes: ImageSizes) -> dict[str, Any]:
    """The figures of `metrics/explore.json`: nested mappings of numbers, None for what cannot be known.

    Args:
        found: what `collect` returned.
        files: names of all training images on disk. Without any, the number of images is unknown unless the table
            lists clean ones too.
        sizes: of the images.
    """
    images, names = known_images(found, files), found.layout.classes
    carried = found.classes.values()
    numbers = {str(count): sum(len(classes) == count for classes in carried) for count in range(1, len(names) + 1)}
    clean = None if images is None else len(images) - sum(numbers.values())
    masks = sum(map(len, found.masks))
    missing = len(missing_files(found, files)) if files else None
    return {
        "images": None if images is None else len(images) - (missing or 0),
        "missing_images": missing,
        "clean_images": clean,
        "images_by_number_of_classes": {"0": clean, **numbers},
        "images_with_pair": _pairs(found),
        "masks": masks,
        "pixels_claimed_twice": found.shared_pixels,
        "classes": {
            name: _class_figures(found, class_id, masks, None if images is None else sizes.pixels(files, len(images)))
            for class_id, name in enumerate(names, start=1)
        },
    }


def _pairs(found: Found) -> dict[str, dict[str, int]]:
    """In how many images each two classes occur together."""
    names = found.layout.classes
    pairs = {names[a]: dict.fromkeys(names[a + 1 :], 0) for a in range(len(names) - 1)}
    for classes in found.classes.values():
        for a, b in combinations(sorted(classes), 2):
            pairs[names[a - 1]][names[b - 1]] += 1
    return pairs


def _class_figures(found: Found, class_id: int, all_masks: int, all_pixels: int | None) -> dict[str, Any]:
    areas = np.array([mask.area for mask in found.masks[class_id - 1]], dtype=np.int64)
    pixels = int(areas.sum())
    return {
        "images": sum(class_id in classes for classes in found.classes.values()),
        "masks": len(areas),
        f"masks_over_{LARGE}_pixels": int((areas > LARGE).sum()),
        "pixels": pixels,
        "share_of_masks": round(len(areas) / all_masks, 6) if all_masks else None,
        "share_of_pixels": round(pixels / all_pixels, 8) if all_pixels else None,
        "area": {
            "min": int(areas.min()) if areas.size else None,
            "median": float(np.median(areas)) if areas.size else None,
            "mean": round(float(areas.mean()), 2) if areas.size else None,
            "p95": round(float(np.percentile(areas, 95)), 2) if areas.size else None,
            "max": int(areas.max()) if areas.size else None,
        },
    }


def table(figures: Mapping[str, Any]) -> list[str]:
    """Lines of a table with one row per class, the header first."""
    width = max(5, *map(len, figures["classes"]))
    lines = [f"{'class':{width}} {'images':>8} {'masks':>8} {'median area':>12} {'of masks':>9} {'of pixels':>10}"]
    for name, of in figures["classes"].items():
        median = f"{of['area']['median']:,.0f} px" if of["masks"] else "-"
        lines.append(
            f"{name:{width}} {of['images']:8,} {of['masks']:8,} {median:>12} "
            f"{_percent(of['share_of_masks'], 1):>9} {_percent(of['share_of_pixels'], 3):>10}"
        )
    return lines


def describe(figures: Mapping[str, Any], found: Found, files: Collection[str]) -> list[str]:
    """The totals in a sentence, and for everything that the outputs lack a sentence that says why."""
    clean = figures["clean_images"]
    total = "number of images unknown" if clean is None else f"{figures['images']:,} images, {clean:,} without a mask"
    lines = [f"{figures['masks']:,} masks; {total}"]
    if not files:
        lines.append(f"no images in {paths.TRAIN_IMAGES}, so the pictures examples_*.jpg and largest.jpg are missing")
        if not found.every_image:
            lines.append(
                f"{paths.TRAIN_TABLE} lists no clean images, so their number and the shares of pixels are unknown"
            )
    elif missing := missing_files(found, files):
        lines.append(
            f"{len(missing):,} of {len(found.classes):,} images in {paths.TRAIN_TABLE} are not in "
            f"{paths.TRAIN_IMAGES} and are missing in the pictures; the first is {missing[0]}"
        )
    if found.every_image and len(unlisted := set(files) - found.classes.keys()) > len(found.classes):
        lines.append(
            f"WARNING: {len(unlisted):,} images in {paths.TRAIN_IMAGES} have no row in {paths.TRAIN_TABLE}, more than "
            f"the {len(found.classes):,} that have one: they count as images without a mask. Unlabelled images do not "
            f"belong there"
        )
    if found.shared_pixels is None:
        lines.append(f"rows of one image are scattered over {paths.TRAIN_TABLE}, so pixels_claimed_twice is unknown")
    return lines


def _percent(share: float | None, decimals: int) -> str:
    return "-" if share is None else f"{share:.{decimals}%}"
