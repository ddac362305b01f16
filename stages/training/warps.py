"""How a crop is cut from an image that is turned, scaled and distorted: one map for the image and its labels.

All changes together are one map, so that pixels are interpolated once. Labels take the nearest pixel's class.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from stages.pipeline.arrays import Float32, Float64, UInt8
from stages.pipeline.settings import Train

NODE = 64  # pixels between the nodes of the elastic distortion, at least two of which lie along each side of a crop
CELLS = 5  # columns and rows of the grid distortion


@dataclass(frozen=True)
class Warp:
    """Where the pixels of a crop come from. All pairs are x, y.

    Attributes:
        low, high: the corners of the part of the image that is needed, the second exclusive; it may reach outside.
        size: width and height of the crop.
        transform: float64 (2, 3), from that part to the crop, if there are no maps.
        maps: float32 (2, height, width), where each pixel of the crop lies in that part; None: nothing is distorted.
    """

    low: tuple[int, int]
    high: tuple[int, int]
    size: tuple[int, int]
    transform: Float64
    maps: Float32 | None = None

    def __call__(self, image: UInt8, interpolation: int) -> UInt8:
        """The crop of an image, uint8 (height, width) or with any number of channels; mirrored outside of the image."""
        if image.ndim == 3 and image.shape[2] != 3:  # OpenCV takes up to four channels at a time
            planes = np.ascontiguousarray(np.moveaxis(image, -1, 0))
            return np.stack([self(plane, interpolation) for plane in planes], axis=-1)
        # OpenCV takes half as long again if it mirrors pixels itself, so the part is filled up first.
        part = _mirrored(image, self.low, self.high)
        # Labels are nothing but background around most crops, which is seen sooner than warped.
        if interpolation == cv2.INTER_NEAREST and not cv2.hasNonZero(part):
            return np.zeros(self.size[::-1], np.uint8)
        if self.maps is None:
            return np.asarray(cv2.warpAffine(part, self.transform, self.size, flags=interpolation), np.uint8)
        outside = cv2.BORDER_REPLICATE
        return np.asarray(cv2.remap(part, self.maps[0], self.maps[1], interpolation, borderMode=outside), np.uint8)


def changes(options: Train) -> bool:
    """Whether anything moves the pixels of a crop."""
    return any((options.rotation, options.scale, options.elastic, options.grid_distortion))


def drawn(options: Train, generator: np.random.Generator, corner: tuple[int, int], size: tuple[int, int]) -> Warp:
    """Draw how one crop is warped, about its centre.

    Args:
        options: how much, at most: `rotation`, `scale`, `elastic`, `grid_distortion`.
        generator: of this crop; it is asked only for what is not switched off.
        corner: x and y of the crop's upper left corner in the image.
        size: its width and height.
    """
    angle = generator.uniform(-options.rotation, options.rotation) if options.rotation else 0.0
    factor = (1 + options.scale) ** generator.uniform(-1, 1) if options.scale else 1.0
    transform = np.asarray(cv2.getRotationMatrix2D((0, 0), angle, factor), np.float64)  # from the crop's centre
    x, y = ((side - 1) / 2 for side in size)
    if options.elastic or options.grid_distortion:
        maps = _maps(options, generator, size, np.linalg.inv(transform[:, :2]), (corner[0] + x, corner[1] + y))
        low_x, low_y = (math.floor(along.min()) for along in maps)
        high_x, high_y = (math.ceil(along.max()) + 1 for along in maps)
        maps -= np.array([low_x, low_y], np.float32)[:, None, None]
        return Warp((low_x, low_y), (high_x, high_y), size, transform, maps)
    (xx, xy, _), (yx, yy, _) = transform.tolist()  # plain numbers: NumPy's take longer
    right = (abs(xx) * x + abs(xy) * y) / factor**2 + 1  # how far the crop reaches in the image from its centre
    down = (abs(yx) * x + abs(yy) * y) / factor**2 + 1
    low = math.floor(corner[0] + x - right), math.floor(corner[1] + y - down)
    high = math.ceil(corner[0] + x + right) + 1, math.ceil(corner[1] + y + down) + 1
    middle_x, middle_y = corner[0] + x - low[0], corner[1] + y - low[1]
    transform[:, 2] = x - xx * middle_x - xy * middle_y, y - yx * middle_x - yy * middle_y
    return Warp(low, high, size, transform)


def _maps(
    options: Train,
    generator: np.random.Generator,
    size: tuple[int, int],
    back: npt.NDArray[np.floating],
    centre: tuple[float, float],
) -> Float32:
    """Where in the image each pixel of a distorted crop lies: float32 (2, height, width), x and y.

    Everything but the elastic distortion is the sum of a column's and a row's part, and that is linear in its few
    nodes, so nothing but sums is computed pixel by pixel.

    Args:
        options: of the distortions, at least one of which is on.
        generator: of this crop.
        size: of the crop, width and height.
        back: float64 (2, 2), from the crop to the image, both from the crop's centre.
        centre: of the crop in the image, x and y.
    """
    x, y = (np.arange(side, dtype=np.float64) - (side - 1) / 2 for side in size)
    if options.grid_distortion:
        x, y = (_stretched(options.grid_distortion, generator, places) for places in (x, y))
    maps = np.empty((2, size[1], size[0]), np.float32)
    for along, (of_x, of_y), start in zip(maps, back, centre, strict=True):
        np.add.outer((of_y * y).astype(np.float32), (of_x * x + start).astype(np.float32), out=along)
    if options.elastic:
        columns, rows = (_smooth(max(2, side // NODE), side) for side in size)
        nodes = generator.uniform(-options.elastic, options.elastic, (2, rows.shape[1], columns.shape[1]))
        for along, moved in zip(maps, np.tensordot(back, nodes, axes=1).astype(np.float32), strict=True):
            np.add(along, rows @ moved @ columns.T, out=along)
    return maps


def _stretched(most: float, generator: np.random.Generator, places: Float64) -> Float64:
    """Where columns lie if the cells of a grid get other widths, each by up to a share; the outermost columns stay."""
    widths = 1 + generator.uniform(-most, most, CELLS)
    shares = np.concatenate([[0], np.cumsum(widths) / widths.sum()])
    even = np.linspace(places[0], places[-1], CELLS + 1)
    return np.asarray(np.interp(places, even, places[0] + shares * (places[-1] - places[0])), np.float64)


@lru_cache(maxsize=8)
def _smooth(nodes: int, side: int) -> Float32:
    """How much each node contributes to each pixel between them, cubic: float32 (side, nodes).

    Source: Ronneberger et al., U-Net, 2015, section 3.1, which interpolates a coarse grid of displacements so.
    """
    each = np.eye(nodes, dtype=np.float32)
    return np.asarray(cv2.resize(each, (nodes, side), interpolation=cv2.INTER_CUBIC), np.float32)


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
