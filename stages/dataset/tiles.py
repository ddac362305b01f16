"""Large images cut into tiles of the size at which networks see them, and put together again.

With `images.sizes: tiled` an image keeps its pixels. Tiles lie evenly along each side and overlap by a quarter of a
tile or more. From two neighbours each pixel is taken from the one in which it lies further from the edge, where a
network sees more of its surroundings; nothing is averaged. With other sizes an image is a single tile.

This module also runs in a Kaggle notebook: it needs NumPy only.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.pipeline.arrays import UInt8

OVERLAP = 4  # neighbours share at least a tile's side divided by this


@dataclass(frozen=True)
class Grid:
    """Where the tiles of an image lie.

    Attributes:
        tops, lefts: first row and first column of the tiles, ascending.
        height, width: of a tile in pixels.
    """

    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    height: int
    width: int

    @classmethod
    def of(cls, size: Size, layout: Layout) -> "Grid":
        """The tiles of an image of this height and width.

        >>> from stages.dataset.layout import Images
        >>> Grid.of((100, 600), Layout(("pit",), 256, 256, images=Images(sizes="tiled"))).lefts
        (0, 172, 344)
        """
        if layout.images.sizes != "tiled":
            return cls((0,), (0,), *layout.size)
        return cls(_starts(size[0], layout.height), _starts(size[1], layout.width), *layout.size)

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    def cut(self, image: UInt8) -> list[UInt8]:
        """The tiles of a fitted image (see `geometry`) or of its masks, uint8 (height, width, …), row by row: views."""
        return [image[top : top + self.height, left : left + self.width] for top in self.tops for left in self.lefts]

    def joined(self, tiles: list[UInt8]) -> UInt8:
        """The inverse of `cut`, for what `cut` returned or for a network's answers to it."""
        if len(tiles) == 1:
            return tiles[0]
        size = self.tops[-1] + self.height, self.lefts[-1] + self.width
        whole = np.empty_like(tiles[0], shape=(*size, *tiles[0].shape[2:]))  # planes stay planes in memory
        rows, columns = _owned(self.tops, self.height), _owned(self.lefts, self.width)
        places = ((row, column) for row in rows for column in columns)
        for tile, ((top, first, last), (left, start, end)) in zip(tiles, places, strict=True):
            whole[first:last, start:end] = tile[first - top : last - top, start - left : end - left]
        return whole


def _starts(length: int, side: int) -> tuple[int, ...]:
    """Where tiles of this side begin, so that they cover `length` pixels."""
    count = 1 + max(0, -(-(length - side) // (side - side // OVERLAP)))
    return tuple(np.linspace(0, length - side, count).round().astype(int).tolist()) if count > 1 else (0,)


def _owned(starts: tuple[int, ...], side: int) -> list[tuple[int, int, int]]:
    """For each tile its start, and the first and the last pixel (exclusive) that are taken from it."""
    borders = [0, *((after + before + side) // 2 for before, after in pairwise(starts)), starts[-1] + side]
    return [(start, first, last) for start, (first, last) in zip(starts, pairwise(borders), strict=True)]
