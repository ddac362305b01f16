"""From images to averaged probabilities, with any engine: the one path of stages, notebooks and validation.

A saved network takes grey levels and returns probabilities; scaling and activation are part of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.dataset.tiles import Grid
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction

# From uint8 (batch, height, width), or (batch, height, width, 3) for colours, to two probabilities: that a pixel is of
# each class, without the background, float32 (batch, height, width, classes); and that each class is in the image,
# float32 (batch, classes). The arrays may be NumPy's or the engine's own.
Network = Callable[[UInt8], tuple[Float32, Float32]]
Values = TypeVar("Values", np.uint8, np.float32)
MOST_CHANNELS = 128  # that OpenCV splits
STRIDE = 32  # every encoder halves its input five times


@dataclass(frozen=True)
class Views:
    """What a network sees of each image; its answers are averaged.

    Attributes:
        flips: whether to add the left-right and up-down mirror images, and both flips together.
        scales: the sizes relative to the image. At 1 it is seen as it is; else resized, see `scaled`.
    """

    flips: bool = False
    scales: tuple[float, ...] = (1.0,)

    @property
    def axes(self) -> list[tuple[int, ...]]:
        """The axes of a batch that are flipped, one tuple for each view."""
        return [(), (2,), (1,), (1, 2)] if self.flips else [()]

    def __str__(self) -> str:
        return f"{'with' if self.flips else 'without'} flips at scale {', '.join(map(str, self.scales))}"


AS_IT_IS = Views()


def scaled(size: Size, scale: float) -> Size:
    """Height and width at which a network sees an image at a scale: unless that is 1, the nearest multiples of STRIDE.

    >>> scaled((200, 200), 1), scaled((200, 200), 0.75), scaled((256, 1600), 1.25)
    ((200, 200), (160, 160), (320, 1984))
    """
    if scale == 1:
        return size
    height, width = (max(1, round(side * scale / STRIDE)) * STRIDE for side in size)
    return height, width


def check(folder: Path) -> None:
    """See that a folder holds a network.

    Raises:
        UserError: there is no SavedModel in the folder.
    """
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder}: expected the network that train writes, found none: run dvc repro")


def predictions(
    networks: list[Network], images: Iterable[UInt8], batch_size: int, views: Views = AS_IT_IS
) -> Iterator[Prediction]:
    """Probabilities of every pixel and class, averaged over networks and optionally over flipped and resized images.

    They are rounded to 255ths here, so everywhere a network is used: post-processing works on stored probabilities
    exactly as a notebook on Kaggle does on its own. A thread rounds one batch while the networks see the next.

    Args:
        networks: one or more.
        images: uint8 of shape (height, width) or (height, width, 3), all of one shape; read batch by batch.
        batch_size: images per call. The last batch is filled up, so that all calls have the same shape; with oneDNN a
            batch of one image can be many times slower.
        views: what the networks see of each image.

    Yields:
        The prediction of each image, in order.
    """
    remaining = iter(images)
    scale = np.float32(255 / (len(networks) * len(views.axes) * len(views.scales)))
    earlier: Future[list[Prediction]] | None = None
    with ThreadPoolExecutor(1) as thread:
        while batch := list(islice(remaining, batch_size)):
            filled = np.stack(batch + [batch[-1]] * (batch_size - len(batch)))
            pixels, presence = _over_scales(networks, filled, views)
            rounded = thread.submit(_rounded, pixels[: len(batch)], presence[: len(batch)], scale)
            if earlier:
                yield from earlier.result()
            earlier = rounded
        if earlier:
            yield from earlier.result()


def of_images(
    networks: list[Network], images: Iterable[UInt8], layout: Layout, batch_size: int, views: Views = AS_IT_IS
) -> Iterator[Prediction]:
    """The same for images that may be cut into tiles (see `stages.dataset.tiles`).

    Args:
        networks, batch_size, views: as of `predictions`. Each tile is resized by itself.
        images: as `geometry.fitted` returns them; read tile by tile.
        layout: says whether they are cut.

    Yields:
        The prediction of each image, in order. A class is in an image as surely as in the tile that is surest of it.
    """
    grids: deque[Grid] = deque()

    def tiles() -> Iterator[UInt8]:
        for image in images:
            grids.append(Grid.of((image.shape[0], image.shape[1]), layout))
            yield from grids[-1].cut(image)

    found = predictions(networks, tiles(), batch_size, views)
    for first in found:
        grid = grids.popleft()
        parts = [first, *islice(found, len(grid) - 1)]
        presence = np.max([part.presence for part in parts], axis=0)
        yield Prediction(grid.joined([part.pixels for part in parts]), presence)


def _over_scales(networks: list[Network], images: UInt8, views: Views) -> tuple[Float32, Float32]:
    """The answers for a batch at its own size, summed over networks, flips and scales."""
    size = images.shape[1], images.shape[2]

    def at(scale: float) -> tuple[Float32, Float32]:
        pixels, presence = _over_flips(networks, _resized(images, scaled(size, scale)), views.axes)
        return _resized(pixels, size), presence

    return reduce(_add, map(at, views.scales))


def _over_flips(networks: list[Network], images: UInt8, flips: list[tuple[int, ...]]) -> tuple[Float32, Float32]:
    """The answers for a batch, flipped back and summed over networks and flips."""
    answers = ((network(np.ascontiguousarray(np.flip(images, axes))), axes) for network in networks for axes in flips)
    turned = ((np.flip(np.asarray(pixels), axes), np.asarray(presence)) for (pixels, presence), axes in answers)
    return reduce(_add, turned)


def _add(total: tuple[Float32, Float32], one: tuple[Float32, Float32]) -> tuple[Float32, Float32]:
    return total[0] + one[0], total[1] + one[1]


def _resized(batch: npt.NDArray[Values], size: Size) -> npt.NDArray[Values]:
    """A batch, (batch, height, width) or (…, channels), at another height and width, in its own type.

    Where images become smaller, areas are averaged; where they become larger, pixels are interpolated linearly.
    """
    if batch.shape[1:3] == size:
        return batch
    how = cv2.INTER_AREA if size[0] * size[1] < batch.shape[1] * batch.shape[2] else cv2.INTER_LINEAR
    channels = np.moveaxis(batch.reshape(*batch.shape[:3], -1), -1, 1).reshape(-1, *batch.shape[1:3])
    planes = [cv2.resize(np.ascontiguousarray(plane), size[::-1], interpolation=how) for plane in channels]
    stacked = np.stack(planes).reshape(len(batch), -1, *size).astype(batch.dtype, copy=False)
    return np.ascontiguousarray(np.moveaxis(stacked, 1, -1)).reshape(len(batch), *size, *batch.shape[3:])


def _rounded(pixels: Float32, presence: Float32, scale: np.float32) -> list[Prediction]:
    levels = (_levels(np.asarray(image, np.float32), scale) for image in pixels)
    return list(map(Prediction, levels, np.rint(presence * scale).astype(np.uint8)))


def _levels(image: Float32, scale: np.float32) -> UInt8:
    """Rounded to the nearest, halves to the even number; a view whose memory is plane by plane, uint8 as `image`.

    OpenCV scales, rounds and turns in a third of the time of NumPy.
    """
    rows = np.ascontiguousarray(image).reshape(len(image), -1)
    levels = cv2.convertScaleAbs(rows, alpha=float(scale)).reshape(image.shape)
    if image.shape[-1] > MOST_CHANNELS:
        return np.ascontiguousarray(levels.transpose(2, 0, 1)).astype(np.uint8, copy=False).transpose(1, 2, 0)
    return np.stack(cv2.split(levels)).astype(np.uint8, copy=False).transpose(1, 2, 0)
