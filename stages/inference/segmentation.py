"""From the files of photographs to label maps: what infer_test and predict do, in one go, in a Kaggle notebook."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.dataset import images
from stages.inference.averaging import Network, predictions
from stages.pipeline import parallel
from stages.postprocessing import rules as postprocess


def label_maps(
    networks: list[Network],
    files: Iterable[Path],
    size: tuple[int, int],
    batch_size: int,
    flips: bool,
    rules: postprocess.Rules,
) -> Iterator[npt.NDArray[np.uint8]]:
    """Segment photographs, a batch at a time.

    Args:
        networks: one or more, whose probabilities are averaged.
        files: the photographs.
        size: their height and width in pixels.
        batch_size, flips: as in `predictions`.
        rules: from probabilities to masks.

    Yields:
        uint8 of shape (height, width), 0 background, else ClassId, for each file in turn.

    Raises:
        ImageError: a file is no photograph of that size.
    """
    photographs = parallel.in_order(lambda file: images.read(file, *size), files)
    for prediction in predictions(networks, photographs, batch_size, flips):
        yield postprocess.label_map(prediction, rules)
