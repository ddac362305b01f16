"""Training and test images as numbers, which the data checks compare."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.dataset import duplicates, images, shift
from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset
from stages.pipeline import parallel
from stages.pipeline.arrays import Float32
from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class Described:
    """Some images, one row per image.

    Attributes:
        features: of `shift`, float32 (images, len(shift.FEATURES)).
        signatures: of `duplicates`, float32 (images, duplicates.SIZE).
    """

    features: Float32
    signatures: Float32


@dataclass(frozen=True)
class TestImages:
    """The test images.

    Attributes:
        described: those of the expected size.
        other_sizes: height and width of each of the others.
    """

    described: Described
    other_sizes: list[tuple[int, int]]


def training_images(data: Dataset) -> Described:
    """Describe all training images; their signatures come from preprocess."""
    work = parallel.in_order(lambda position: shift.features(data.images[position]), range(len(data.images)))
    found = list(tqdm(work, "check_data: training images", len(data.images), unit=" images", disable=None))
    return Described(np.stack(found), data.signatures)


def test_images(folder: Path, layout: Layout) -> TestImages:
    """Describe the test images in a folder.

    Raises:
        UserError: an image is unreadable or damaged.
    """

    def describe(path: Path) -> tuple[Float32, Float32] | tuple[int, int]:
        try:
            image = images.read(path, *layout.size)
        except images.ImageError as error:
            found = images.size(path)
            if found is None or found == layout.size:  # unreadable, or cut off
                raise UserError(str(error)) from None
            return found
        return shift.features(image), duplicates.signature(image)

    files = [folder / name for name in images.listing(folder)]
    with threadpool_limits(1, "blas"):  # NumPy's own threads would wait for one another in every worker
        work = parallel.in_order(describe, files)
        found = list(tqdm(work, "check_data: test images", len(files), unit=" images", disable=None))
    fitting = [each for each in found if isinstance(each[0], np.ndarray)]
    described = Described(
        np.array([features for features, _ in fitting], np.float32).reshape(-1, len(shift.FEATURES)),
        np.array([signature for _, signature in fitting], np.float32).reshape(-1, duplicates.SIZE),
    )
    return TestImages(described, [(int(height), int(width)) for height, width in found if isinstance(height, int)])
