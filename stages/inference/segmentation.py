"""From photograph files to label maps in one go: infer_test and predict together, for a Kaggle notebook."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from stages.dataset import images
from stages.inference.averaging import Network, predictions
from stages.pipeline import parallel
from stages.pipeline.arrays import UInt8
from stages.postprocessing.rules import Rules, label_map


def label_maps(
    networks: list[Network],
    files: Iterable[Path],
    size: tuple[int, int],
    batch_size: int,
    flips: bool,
    rules: Rules,
) -> Iterator[UInt8]:
    """Segment photographs, batch by batch.

    Args:
        networks: one or more, whose probabilities are averaged.
        files: the photographs.
        size: their height and width in pixels.
        batch_size, flips: as in `predictions`.
        rules: from probabilities to masks.

    Yields:
        uint8 of shape (height, width), 0 for the background, else the ClassId, for each file in order.

    Raises:
        ImageError: a file is not a photograph of that size.
    """
    photographs = parallel.in_order(lambda file: images.read(file, *size), files)
    for prediction in predictions(networks, photographs, batch_size, flips):
        yield label_map(prediction, rules)
