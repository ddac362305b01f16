"""From photograph files to label maps in one go: infer_test and predict together, for a Kaggle notebook."""

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
    sizes: deque[Size] = deque()

    def photographs() -> Iterator[UInt8]:
        for image, size in parallel.in_order(lambda file: geometry.read(file, layout), files):
            sizes.append(size)
            yield image

    for prediction in averaging.of_images(networks, photographs(), layout, batch_size, views):
        yield label_map(prediction.restored(layout, sizes.popleft()), rules)
