"""Training and test images as numbers, which the data checks compare."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from stages.dataset import duplicates, geometry, image_sizes, images, shift
from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset, Sample
from stages.dataset.validation import Faults
from stages.pipeline import parallel
from stages.pipeline.arrays import Float32
from stages.pipeline.progress import bar


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
        described: their features and signatures.
        sizes: own height and width of each.
    """

    described: Described
    sizes: list[Size]


def training_images(data: Dataset) -> Described:
    """Describe all training images; their signatures come from preprocess."""
    return Described(features(data, data.index, "check_data"), data.signatures)


def features(data: Dataset, samples: list[Sample], stage: str) -> Float32:
    """The features of `shift` of some images, float32 (images, len(shift.FEATURES)); `stage` is named in progress."""
    work = parallel.in_order(lambda sample: shift.features(images.grey(data.image(sample))), samples)
    return np.stack(list(bar(work, f"{stage}: training images", len(samples))))


def test_images(folder: Path, layout: Layout) -> TestImages:
    """Describe the test images in a folder, and see that inference will read each of them.

    Raises:
        UserError: images are unreadable, damaged, of another size, or colour where grey is expected; lists them.
    """
    files = [folder / name for name in images.listing(folder)]
    looked_at = max(1, len(files) // images.LOOKED_AT)
    careful = layout.images.channels == 1 and not layout.images.grey_from_colour

    def describe(number: int) -> tuple[Float32, Float32, Size] | str:
        try:
            raw = geometry.contents(files[number], layout)
            if careful and number % looked_at == 0:
                images.refuse_colours(raw, files[number])
            native = geometry.native(raw, files[number], layout)
            image = images.grey(geometry.fitted(native, layout, files[number]))
            image_sizes.check_storable((image.shape[0], image.shape[1]), layout, files[number])
            signature = duplicates.signature(geometry.thumbnail(image, layout))
        except images.ImageError as error:
            return str(error)
        return shift.features(image), signature, (native.shape[0], native.shape[1])

    with threadpool_limits(1, "blas"):  # NumPy's own threads would wait for one another in every worker
        work = parallel.in_order(describe, range(len(files)))
        found = list(bar(work, "check_data: test images", len(files)))
    faults = Faults()
    for fault in found:
        if isinstance(fault, str):
            faults.add(fault)
    faults.raise_if_any()
    described = [each for each in found if not isinstance(each, str)]
    return TestImages(
        Described(
            np.array([features for features, _, _ in described], np.float32).reshape(-1, len(shift.FEATURES)),
            np.array([signature for _, signature, _ in described], np.float32).reshape(-1, duplicates.SIZE),
        ),
        [size for _, _, size in described],
    )
