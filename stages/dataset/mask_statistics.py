"""What the masks of a `train.csv` are like, in numbers: how many, how large, together with which others.

    >>> found = collect(Path("data/raw/train.csv"), layout)   # doctest: +SKIP
    >>> summarise(found, ())["masks"]   # doctest: +SKIP
    7095

The table is streamed. What is kept of a mask is its area and a reference to its image's name, about 100 bytes.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from stages.dataset import rle, tables
from stages.dataset.layout import Layout
from stages.pipeline.cli import UserError

LARGE = 200_000  # pixels; masks above it cover about half of a Severstal image, much of it sound steel


class Mask(NamedTuple):
    """One mask that is not empty.

    Attributes:
        area: its pixels, at least 1.
        image: file name of its image.
    """

    area: int
    image: str


@dataclass(frozen=True)
class Found:
    """What a table holds.

    Attributes:
        layout: classes and image size.
        masks: for each class, ClassId 1 first, its masks in the order of the table.
        classes: for each image in the table, which classes it carries; none for an image with empty rows only.
        every_image: whether the table lists clean images too (the form of 2019 does, today's does not).
        shared_pixels: pixels that two or more classes claim; None when the rows of some image are scattered over the
            table, for then the other masks of the image are not at hand.
    """

    layout: Layout
    masks: tuple[list[Mask], ...]
    classes: dict[str, frozenset[int]]
    every_image: bool
    shared_pixels: int | None


def collect(path: Path, layout: Layout) -> Found:
    """Read a `train.csv` of either form once.

    Args:
        path: the table.
        layout: classes and image size.

    Raises:
        UserError: an unreadable table, an unknown class, run lengths that are no mask. Names the file and line.
    """
    masks: tuple[list[Mask], ...] = tuple([] for _ in layout.classes)
    carried: dict[str, frozenset[int]] = {}
    distinct: dict[frozenset[int], frozenset[int]] = {}  # one object for each set of classes, not for each image
    group: list[tables.Row] = []  # the rows with a mask that belong to the image being read
    image, shared, scattered = "", 0, False
    for row in tqdm(tables.read(path, layout), "explore: masks", unit=" rows", disable=None):
        if row.image != image:
            shared += _shared_pixels(group, *layout.size)
            group, image = [], row.image
            scattered = scattered or image in carried
        area = _area(path, row, *layout.size)
        combination = carried.get(image, frozenset()) | ({row.class_id} if area else set())
        carried[image] = distinct.setdefault(combination, combination)
        if area:
            masks[row.class_id - 1].append(Mask(area, image))
            group.append(row)
    shared += _shared_pixels(group, *layout.size)
    return Found(layout, masks, carried, tables.PAIRS[0] in tables.header(path), None if scattered else shared)


def summarise(found: Found, files: Collection[str]) -> dict[str, Any]:
    """The figures of `metrics/explore.json`: nested mappings of numbers, None for what cannot be known.

    Args:
        found: what `collect` returned.
        files: names of all training images on disk; without any, the number of images is unknown unless the table
            lists clean ones too.
    """
    images, names = known_images(found, files), found.layout.classes
    carried = found.classes.values()
    numbers = {str(count): sum(len(classes) == count for classes in carried) for count in range(1, len(names) + 1)}
    clean = None if images is None else len(images) - sum(numbers.values())
    pairs = {names[a - 1]: {names[b - 1]: 0 for b in range(a + 1, len(names) + 1)} for a in range(1, len(names))}
    for classes in carried:
        for a, b in combinations(sorted(classes), 2):
            pairs[names[a - 1]][names[b - 1]] += 1
    masks = sum(map(len, found.masks))
    missing = len(missing_files(found, files)) if files else None
    return {
        "images": None if images is None else len(images) - (missing or 0),
        "missing_images": missing,
        "clean_images": clean,
        "images_by_number_of_classes": {"0": clean, **numbers},
        "images_with_pair": pairs,
        "masks": masks,
        "pixels_claimed_twice": found.shared_pixels,
        "classes": {
            name: _class_figures(found, class_id, masks, None if images is None else len(images))
            for class_id, name in enumerate(names, start=1)
        },
    }


def known_images(found: Found, files: Collection[str]) -> set[str] | None:
    """Names of all training images, on disk or in the table; None when clean images are in neither."""
    if files:
        return found.classes.keys() | set(files)
    return set(found.classes) if found.every_image else None


def missing_files(found: Found, files: Collection[str]) -> list[str]:
    """Names of the images that the table lists and the disk lacks, sorted."""
    return sorted(found.classes.keys() - set(files))


def examples(masks: Iterable[Mask], count: int) -> list[Mask]:
    """Up to `count` masks on different images, at even steps of the area's ranks, from small to large.

    Ranks, unlike random draws, show the small, the usual and the large alike, and the same ones every time.
    """
    largest_of = {mask.image: mask for mask in sorted(masks)}
    ranked = sorted(largest_of.values())
    count = min(count, len(ranked))
    return [ranked[(2 * step + 1) * len(ranked) // (2 * count)] for step in range(count)]


def largest(masks: Iterable[Mask], count: int) -> list[Mask]:
    """Up to `count` masks on different images, the largest first."""
    largest_of = {mask.image: mask for mask in sorted(masks)}
    return sorted(largest_of.values(), reverse=True)[:count]


def rows_of(path: Path, layout: Layout, images: Collection[str]) -> dict[str, list[tables.Row]]:
    """Read the table again for the rows of some images: for each, its rows in the order of the table."""
    rows: dict[str, list[tables.Row]] = {image: [] for image in images}
    if not rows:
        return rows
    for row in tables.read(path, layout):
        if row.image in rows:
            rows[row.image].append(row)
    return rows


def _area(path: Path, row: tables.Row, height: int, width: int) -> int:
    try:
        return int(rle.parse(row.runs, height, width)[1].sum())
    except rle.RunLengthError as error:
        raise UserError(f"{path}, line {row.line}: image {row.image}, class {row.class_id}: {error}") from None


def _shared_pixels(group: Sequence[tables.Row], height: int, width: int) -> int:
    """Pixels of one image that at least two classes claim; two masks of the same class count as one."""
    classes = {row.class_id for row in group}
    if len(classes) < 2:
        return 0
    if len(classes) == len(group):  # nearly always, and a hundred times faster than drawing them
        runs = [rle.parse(row.runs, height, width) for row in group]
        starts = np.concatenate([first for first, _ in runs])
        ends = starts + np.concatenate([lengths for _, lengths in runs])
        edges = np.concatenate([starts, ends])
        order = edges.argsort()
        depth = np.repeat([1, -1], len(starts))[order].cumsum()  # masks over the pixels from an edge to the next
        return int(np.diff(edges[order])[depth[:-1] > 1].sum())
    claims = np.zeros((height, width), dtype=np.uint8)
    for class_id in classes:
        claims += rle.label_map([(1, row.runs) for row in group if row.class_id == class_id], height, width)
    return int((claims > 1).sum())


def _class_figures(found: Found, class_id: int, all_masks: int, images: int | None) -> dict[str, Any]:
    areas = np.array([mask.area for mask in found.masks[class_id - 1]], dtype=np.int64)
    pixels = int(areas.sum())
    return {
        "images": sum(class_id in classes for classes in found.classes.values()),
        "masks": len(areas),
        f"masks_over_{LARGE}_pixels": int((areas > LARGE).sum()),
        "pixels": pixels,
        "share_of_masks": round(len(areas) / all_masks, 6) if all_masks else None,
        "share_of_pixels": round(pixels / (images * found.layout.pixels), 8) if images else None,
        "area": {
            "min": int(areas.min()) if areas.size else None,
            "median": float(np.median(areas)) if areas.size else None,
            "mean": round(float(areas.mean()), 2) if areas.size else None,
            "p95": round(float(np.percentile(areas, 95)), 2) if areas.size else None,
            "max": int(areas.max()) if areas.size else None,
        },
    }
