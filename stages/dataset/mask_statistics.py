"""The masks of a `train.csv`: how large each is, and which classes occur together.

    >>> with MaskStore(folder) as masks:                                      # doctest: +SKIP
    ...     found = collect(Path("data/raw/train.csv"), layout, masks)
    >>> sum(map(len, found.masks))                                            # doctest: +SKIP
    7095

The table is streamed. Of each mask, its area and a reference to its image's name are kept in memory, and its runs in a
`MaskStore`. No data frame holds the masks: pandas would need the whole table in memory.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.dataset import rle, tables
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.dataset.mask_store import MaskStore
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar

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
        classes: for each image in the table, the classes that it shows; none if all of its rows are empty.
        every_image: whether the table lists clean images too (Severstal's form of 2019 does, today's does not).
        shared_pixels: pixels that two or more classes claim. None when the rows of some image are scattered over the
            table, because its other masks are then not at hand.
    """

    layout: Layout
    masks: tuple[list[Mask], ...]
    classes: dict[str, frozenset[int]]
    every_image: bool
    shared_pixels: int | None


def collect(path: Path, sizes: ImageSizes, store: MaskStore) -> Found:
    """Read a training table once.

    Args:
        path: the table.
        sizes: of the images, and how the table is written.
        store: receives the runs of every mask; `masks_of` reads them.

    Raises:
        UserError: an unreadable table, an unknown class, or invalid run lengths. Names the file and line.
    """
    layout = sizes.layout
    masks: tuple[list[Mask], ...] = tuple([] for _ in layout.classes)
    classes: dict[str, frozenset[int]] = {}
    distinct: dict[frozenset[int], frozenset[int]] = {}  # one object for each set of classes, not for each image
    group: list[tuple[int, rle.Runs]] = []  # the masks of the image that is being read
    image, shared, scattered = "", 0, False
    for row in bar(tables.read(path, layout), "explore: masks", unit="rows"):
        row = row._replace(image=sizes.names.file(row.image) or row.image)  # noqa: PLW2901
        if row.image != image:
            shared += shared_pixels(group)
            group, image = [], row.image
            scattered = scattered or image in classes
        runs = _parsed(path, row, sizes)
        area = runs.area
        combination = classes.get(image, frozenset()) | ({row.class_id} if area else set())
        classes[image] = distinct.setdefault(combination, combination)
        if area:
            masks[row.class_id - 1].append(Mask(area, image))
            group.append((row.class_id, runs))
            store.add(row, np.concatenate(runs).tobytes())
    shared += shared_pixels(group)
    every_image = tables.header(path, layout).pairs or any(not shown for shown in classes.values())
    return Found(layout, masks, classes, every_image, None if scattered else shared)


def masks_of(image: str, store: MaskStore) -> list[tuple[int, rle.Runs]]:
    """ClassId and runs of the masks of an image, from the store that `collect` has filled."""
    numbers = [(mask.class_id, np.frombuffer(mask.content, np.int64)) for mask in store.of(image)]
    return [(class_id, rle.Runs(*np.split(values, 2))) for class_id, values in numbers]


def known_images(found: Found, files: Collection[str]) -> set[str] | None:
    """Names of all training images, on disk or in the table; None when clean images are in neither."""
    if files:
        return found.classes.keys() | set(files)
    return set(found.classes) if found.every_image else None


def missing_files(found: Found, files: Collection[str]) -> list[str]:
    """Names of the images that are in the table but not on disk, sorted."""
    return sorted(found.classes.keys() - set(files))


def examples(masks: Iterable[Mask], count: int) -> list[Mask]:
    """Up to `count` masks on different images, at even steps of the area's ranks, from small to large.

    Unlike random draws, ranks show small, usual and large masks alike, and the same ones every time.
    """
    largest_of = {mask.image: mask for mask in sorted(masks)}
    ranked = sorted(largest_of.values())
    count = min(count, len(ranked))
    return [ranked[(2 * step + 1) * len(ranked) // (2 * count)] for step in range(count)]


def most_frequent(found: Found, count: int) -> list[int]:
    """ClassIds of up to `count` classes with the most masks, ascending. Of equals, the lower one is taken."""
    by_frequency = sorted(found.layout.class_ids, key=lambda class_id: -len(found.masks[class_id - 1]))
    return sorted(by_frequency[:count])


def largest(masks: Iterable[Mask], count: int) -> list[Mask]:
    """Up to `count` masks on different images, the largest first."""
    largest_of = {mask.image: mask for mask in sorted(masks)}
    return sorted(largest_of.values(), reverse=True)[:count]


def shared_pixels(masks: Sequence[tuple[int, rle.Runs]]) -> int:
    """Pixels of one image that at least two classes claim; two masks of the same class count as one.

    Args:
        masks: ClassId and runs of each mask of the image.
    """
    of_class: dict[int, list[rle.Runs]] = {}
    for class_id, runs in masks:
        of_class.setdefault(class_id, []).append(runs)
    if len(of_class) < 2:
        return 0
    joined = [parts[0] if len(parts) == 1 else rle.joined(parts) for parts in of_class.values()]
    starts = np.concatenate([runs.starts for runs in joined])
    ends = starts + np.concatenate([runs.lengths for runs in joined])
    edges = np.concatenate([starts, ends])
    order = edges.argsort()
    depth = np.repeat([1, -1], len(starts))[order].cumsum()  # classes over the pixels from an edge to the next
    return int(np.diff(edges[order])[depth[:-1] > 1].sum())


def _parsed(path: Path, row: tables.Row, sizes: ImageSizes) -> rle.Runs:
    if rle.is_empty(row.runs, sizes.layout.run_lengths):
        return rle.parse("", 1, 1)
    try:
        return rle.parse(row.runs, *sizes.of(row.image), sizes.layout.run_lengths)
    except rle.RunLengthError as error:
        raise UserError(f"{path}, line {row.line}: {row.image}, class {row.class_id}: {error}") from None
