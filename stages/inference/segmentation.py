"""From photographs to label maps in one go: infer_test and predict together, for segment and for a Kaggle notebook."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from stages.dataset import geometry
from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.inference import averaging
from stages.inference.averaging import Network, Views
from stages.pipeline import parallel
from stages.pipeline.arrays import UInt8
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rules, label_map


def label_maps(
    networks: list[Network],
    files: Iterable[Path],
    layout: Layout,
    batch_size: int,
    views: Views,
    rules: Rules,
) -> Iterator[UInt8]:
    """Segment photographs, batch by batch.

    Args:
        networks: one or more, whose probabilities are averaged.
        files: the photographs.
        layout: of the competition.
        batch_size, views: as in `averaging.of_images`.
        rules: from probabilities to masks.

    Yields:
        A label map or planes at the size at which the competition scores, for each file in order.

    Raises:
        ImageError: a file is not an image as the competition has them.
    """
    photographs = parallel.in_order(lambda file: geometry.read(file, layout), files)
    return (labels for labels, _ in segmented(networks, photographs, layout, batch_size, views, rules))


def segmented(
    networks: list[Network],
    photographs: Iterable[tuple[UInt8, Size]],
    layout: Layout,
    batch_size: int,
    views: Views,
    rules: Rules,
) -> Iterator[tuple[UInt8, Prediction]]:
    """The same for photographs that have been read, with the probabilities from which the masks were made.

    Args:
        networks, layout, batch_size, views, rules: as of `label_maps`.
        photographs: each as `geometry.read` returns it.

    Yields:
        The label map or planes, and the prediction, both at the size at which the competition scores.
    """
    sizes: deque[Size] = deque()

    def fitted() -> Iterator[UInt8]:
        for image, size in photographs:
            sizes.append(size)
            yield image

    for found in averaging.of_images(networks, fitted(), layout, batch_size, views):
        prediction = found.restored(layout, sizes.popleft())
        yield label_map(prediction, rules), prediction
