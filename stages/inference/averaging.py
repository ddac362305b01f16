"""From images to averaged probabilities, with any engine: the one path of stages, notebooks and validation.

A saved network takes grey levels and returns probabilities; scaling and activation are part of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from stages.dataset.layout import Layout
from stages.dataset.tiles import Grid
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction

# From uint8 (batch, height, width), or (batch, height, width, 3) for colours, to two probabilities: that a pixel is of
# each class, without the background, float32 (batch, height, width, classes); and that each class is in the image,
# float32 (batch, classes). The arrays may be NumPy's or the engine's own.
Network = Callable[[UInt8], tuple[Float32, Float32]]
View = tuple[int, ...]  # the axes of a batch that are flipped
MOST_CHANNELS = 128  # that OpenCV splits


def check(folder: Path) -> None:
    """See that a folder holds a network.

    Raises:
        UserError: there is no SavedModel in the folder.
    """
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder}: expected the network that train writes, found none: run dvc repro")


def predictions(
    networks: list[Network], images: Iterable[UInt8], batch_size: int, flips: bool = False
) -> Iterator[Prediction]:
    """Probabilities of every pixel and class, averaged over networks and optionally over flipped images.

    They are rounded to 255ths here, so everywhere a network is used: post-processing works on stored probabilities
    exactly as a notebook on Kaggle does on its own. A thread rounds one batch while the networks see the next.

    Args:
        networks: one or more.
        images: uint8 of shape (height, width) or (height, width, 3), all of one shape; read batch by batch.
        batch_size: images per call. The last batch is filled up, so that all calls have the same shape; with oneDNN a
            batch of one image can be many times slower.
        flips: whether to average over the image, its left-right and up-down mirror images, and both flips together.

    Yields:
        The prediction of each image, in order.
    """
    remaining = iter(images)
    views: list[View] = [(), (2,), (1,), (1, 2)] if flips else [()]
    scale = np.float32(255 / (len(networks) * len(views)))
    earlier: Future[list[Prediction]] | None = None
    with ThreadPoolExecutor(1) as thread:
        while batch := list(islice(remaining, batch_size)):
            filled = np.stack(batch + [batch[-1]] * (batch_size - len(batch)))
            pixels, presence = _sum(networks, filled, views)
            rounded = thread.submit(_rounded, pixels[: len(batch)], presence[: len(batch)], scale)
            if earlier:
                yield from earlier.result()
            earlier = rounded
        if earlier:
            yield from earlier.result()


def of_images(
    networks: list[Network], images: Iterable[UInt8], layout: Layout, batch_size: int, flips: bool = False
) -> Iterator[Prediction]:
    """The same for images that may be cut into tiles (see `stages.dataset.tiles`).

    Args:
        networks, batch_size, flips: as of `predictions`.
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

    found = predictions(networks, tiles(), batch_size, flips)
    for first in found:
        grid = grids.popleft()
        parts = [first, *islice(found, len(grid) - 1)]
        presence = np.max([part.presence for part in parts], axis=0)
        yield Prediction(grid.joined([part.pixels for part in parts]), presence)


def _sum(networks: list[Network], images: UInt8, views: list[View]) -> tuple[Float32, Float32]:
    """The answers for a batch, flipped back and summed over networks and views."""
    answers = ((network(np.ascontiguousarray(np.flip(images, view))), view) for network in networks for view in views)
    turned = ((np.flip(np.asarray(pixels), view), np.asarray(presence)) for (pixels, presence), view in answers)
    return reduce(lambda total, one: (total[0] + one[0], total[1] + one[1]), turned)


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
