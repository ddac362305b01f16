"""Networks, whatever runs them: the one road from images to probabilities, for stages, notebooks and validation.

A saved network takes grey levels and gives probabilities; everything between is part of it.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
# From uint8 (batch, height, width) to probabilities, float32 (batch, height, width, classes) and (batch, classes): of
# each pixel to be of each class, the background not counted, and of each class to be in the image. What it gives may be
# arrays of NumPy or of its engine.
Network = Callable[[Grey], tuple[Floats, Floats]]
ROWS = 16  # of an image, rounded at a time: what fits into a core's cache takes a third of the time
View = tuple[int, ...]  # the axes of a batch that are flipped


def check(folder: Path) -> None:
    """See that there is a network.

    Raises:
        UserError: there is no SavedModel in the folder.
    """
    if not (folder / "saved_model.pb").is_file():
        raise UserError(f"{folder}: expected the network that train writes, found none: run dvc repro")


def predictions(
    networks: list[Network], images: Iterable[Grey], batch_size: int, flips: bool = False
) -> Iterator[Prediction]:
    """Probabilities of every pixel and class, averaged over networks and, if asked for, over flipped images.

    They are rounded to 255ths, here and so wherever a network is used: what is kept for post-processing is then
    exactly what a notebook on Kaggle computes. A thread rounds one batch while the networks see the next.

    Args:
        networks: one or more.
        images: uint8 of shape (height, width), all of one size; read a batch at a time.
        batch_size: images a call. The last batch is filled up, so that every call has the same shape: one image at
            a time is many times slower with oneDNN.
        flips: whether to average over the image, its left-right, its up-down mirror image, and both at once.

    Yields:
        A prediction for each image in turn.
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


def _sum(networks: list[Network], images: Grey, views: list[View]) -> tuple[Floats, Floats]:
    """What the networks say of a batch, added up over networks and views, these turned back."""
    answers = ((network(np.ascontiguousarray(np.flip(images, view))), view) for network in networks for view in views)
    turned = ((np.flip(np.asarray(pixels), view), np.asarray(presence)) for (pixels, presence), view in answers)
    return reduce(lambda total, one: (total[0] + one[0], total[1] + one[1]), turned)


def _rounded(pixels: Floats, presence: Floats, scale: np.float32) -> list[Prediction]:
    levels = np.empty(pixels.shape, np.uint8)
    for image, rounded in zip(pixels, levels, strict=True):
        for row in range(0, len(image), ROWS):
            block = image[row : row + ROWS] * scale
            rounded[row : row + ROWS] = np.rint(block, out=block)
    return list(map(Prediction, levels, np.rint(presence * scale).astype(np.uint8)))
