"""How a crop is cut from an image that is turned, scaled and distorted: one map for the image and its labels.

All changes together are one map, so that pixels are interpolated once. Labels take the nearest pixel's class.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from stages.pipeline.arrays import Float32, Float64, Int64, UInt8
from stages.pipeline.settings import Train

NODE = 64  # pixels between the nodes of the elastic distortion, at least two of which lie along each side of a crop
CELLS = 5  # columns and rows of the grid distortion


@dataclass(frozen=True)
class Warp:
    """Where the pixels of a crop come from. All pairs are x, y.

    Attributes:
        low, high: int64 (2,), the part of the image that is needed, up to but without `high`; it may reach outside.
        size: width and height of the crop.
        transform: float64 (2, 3), from that part to the crop, if there are no maps.
        maps: float32 (2, height, width), where each pixel of the crop lies in that part; None: nothing is distorted.
    """

    low: Int64
    high: Int64
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
        if self.maps is None:
            return np.asarray(cv2.warpAffine(part, self.transform, self.size, flags=interpolation), np.uint8)
        outside = cv2.BORDER_REPLICATE
        return np.asarray(cv2.remap(part, *self.maps, interpolation, borderMode=outside), np.uint8)


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
    transform = cv2.getRotationMatrix2D((0, 0), angle, factor)
    turned = transform[:, :2]  # from the image to the crop, both from the crop's centre
    middle = np.subtract(size, 1) / 2
    centre = corner + middle
    if options.elastic or options.grid_distortion:
        maps = _maps(options, generator, size, np.linalg.inv(turned), centre)
        low, high = _whole(maps.min(axis=(1, 2)), maps.max(axis=(1, 2)))
        maps -= low.astype(np.float32)[:, None, None]
        return Warp(low, high, size, transform, maps)
    reach = np.abs(turned) @ middle / factor**2 + 1  # of the crop in the image, from its centre along x and y
    low, high = _whole(centre - reach, centre + reach)
    transform[:, 2] = middle - turned @ (centre - low)
    return Warp(low, high, size, transform)


def _whole(low: Float64, high: Float64) -> tuple[Int64, Int64]:
    return np.floor(low).astype(np.int64), np.ceil(high).astype(np.int64) + 1


def _maps(
    options: Train, generator: np.random.Generator, size: tuple[int, int], back: Float64, centre: Float64
) -> Float32:
    """Where in the image each pixel of a distorted crop lies: float32 (2, height, width), x and y.

    Everything but the elastic distortion is the sum of a column's and a row's part, and that is linear in its few
    nodes, so nothing but sums is computed pixel by pixel.

    Args:
        options: of the distortions, at least one of which is on.
        generator: of this crop.
        size: of the crop, width and height.
        back: float64 (2, 2), from the crop to the image, both from the crop's centre.
        centre: float64 (2,), of the crop in the image.
    """
    x, y = (np.arange(side) - (side - 1) / 2 for side in size)
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
    return np.interp(places, even, places[0] + shares * (places[-1] - places[0]))


@lru_cache(maxsize=8)
def _smooth(nodes: int, side: int) -> Float32:
    """How much each node contributes to each pixel between them, cubic: float32 (side, nodes).

    Source: Ronneberger et al., U-Net, 2015, section 3.1, which interpolates a coarse grid of displacements so.
    """
    each = np.eye(nodes, dtype=np.float32)
    return np.asarray(cv2.resize(each, (nodes, side), interpolation=cv2.INTER_CUBIC), np.float32)


def _mirrored(image: UInt8, low: Int64, high: Int64) -> UInt8:
    """The part of an image from (x, y) `low` up to but without `high`; what lies outside the image is mirrored."""
    size = np.array([image.shape[1], image.shape[0]])
    # Two more columns and rows, so that what is mirrored at one edge does not meet the end of the part.
    start, stop = np.maximum(low - 2, 0), np.minimum(high + 2, size)
    before, after = np.maximum(start - low, 0), np.maximum(high - stop, 0)
    part = image[start[1] : stop[1], start[0] : stop[0]]
    if before.any() or after.any():
        (left, top), (right, bottom) = before.tolist(), after.tolist()
        part = np.asarray(cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_REFLECT_101), np.uint8)
    skipped = np.maximum(low - start, 0)
    return part[skipped[1] : skipped[1] + high[1] - low[1], skipped[0] : skipped[0] + high[0] - low[0]]
