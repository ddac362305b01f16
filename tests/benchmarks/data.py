"""Preprocessing, and batches for training, both compared with decoding alone on all cores."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2

from stages import preprocess
from stages.dataset import encoded_store
from stages.dataset.prepared import Dataset
from stages.inference import tensorflow_start
from stages.pipeline import paths
from tests.benchmarks import samples
from tests.benchmarks.rows import Pair, Place, Row
from tests.benchmarks.timing import Work, alternate


def images_of(place: Place) -> int:
    """How many images to preprocess."""
    return 24 if place.quick else 1000


def decode(files: list[str], flags: int = cv2.IMREAD_COLOR) -> None:
    """Only read images, on all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda file: cv2.imread(file, flags) is None, files, chunksize=8):
            pass


def preprocessed(flags: int) -> Callable[[Place], Iterator[Pair]]:
    """The stage's function, without starting a process."""

    def measure(place: Place) -> Iterator[Pair]:
        folder = samples.work_folder(place.folder, images_of(place), preprocess={"folds": 3})
        with samples.inside(folder):
            files = [str(file) for file in sorted(paths.TRAIN_IMAGES.iterdir())]
            works: tuple[Work, Work] = preprocess.preprocess, partial(decode, files, flags)
            for work in works:  # everything is imported, and every file is in the page cache
                work()
            for _ in range(1 if place.quick else 7):
                shutil.rmtree(paths.PREPARED)  # as DVC does before it starts a stage
                yield from alternate([works])

    return measure


def batched(place: Place) -> Iterator[Pair]:
    """The crops of an epoch as training loads them, compared with decoding as many images."""
    tensorflow_start.start(training=True)
    from stages.training.batches import dataset
    from stages.training.crops import Crops

    folder = samples.work_folder(place.folder, images_of(place), preprocess={"folds": 3})
    with samples.inside(folder) as options:
        data = prepared()
        crops = Crops(data, data.training(0), options.train, options.seed)
        epoch = dataset(crops, 0, 1)
        files = [str(file) for file in sorted(paths.TRAIN_IMAGES.iterdir())]
        as_many = (files * (1 + crops.per_epoch // len(files)))[: crops.per_epoch]
        works: tuple[Work, Work] = (lambda: sum(1 for _ in epoch), lambda: decode(as_many))
        for work in works:
            work()
        yield from alternate([works] * (1 if place.quick else 5))


def _both(place: Place) -> dict[bool, Dataset]:
    """The same images stored as PNG (True) and as pixels."""
    found, limit = {}, encoded_store.MOST_PIXELS
    for encoded in (True, False):
        folder = samples.work_folder(place.folder / f"encoded_{encoded}", images_of(place), preprocess={"folds": 3})
        encoded_store.MOST_PIXELS = 0 if encoded else limit
        with samples.inside(folder):
            found[encoded] = prepared()
    encoded_store.MOST_PIXELS = limit
    return found


def stored(place: Place) -> Iterator[Pair]:
    """Reading every image with its label map, from PNG and from pixels, on one thread."""
    both = _both(place)

    def read(data: Dataset) -> None:
        for sample in data.index:
            data.image(sample), data.label_map(sample)

    works: tuple[Work, Work] = partial(read, both[True]), partial(read, both[False])
    for work in works:  # every file is in the page cache
        work()
    yield from alternate([works] * (1 if place.quick else 5))


def stored_bytes(place: Place) -> Iterator[Pair]:
    """What they take on the disk, in megabytes."""
    _both(place)
    png, pixels = (
        sum(file.stat().st_size for file in folder.iterdir() if file.name.startswith(("images", "labels"))) / 1e6
        for folder in (
            place.folder / f"encoded_{encoded}" / f"images_{images_of(place)}" / paths.PREPARED
            for encoded in (True, False)
        )
    )
    yield png, pixels


def prepared() -> Dataset:
    """The prepared data of the current folder, made if it does not exist."""
    if not Path(paths.PREPARED).is_dir():
        preprocess.preprocess()
    return Dataset(paths.PREPARED)


ROWS = [
    Row("data-preprocess", "preprocess 1,000 images (256×1600)", "cv2.imread of them on all cores", 0.7,
        preprocessed(cv2.IMREAD_COLOR)),
    Row("data-grey", "preprocess 1,000 images (256×1600)", "cv2.imread of them as grey levels, on all cores", None,
        preprocessed(cv2.IMREAD_GRAYSCALE)),
    Row("data-batches", "an epoch of batches: crops of 256×256, augmented as in params.yaml",
        "cv2.imread of as many images on all cores", 0.7, batched),
    Row("data-png", "read 1,000 prepared images (256×1600) and their label maps, stored as PNG",
        "the same stored as pixels, as up to 40 GB of them are", None, stored),
    Row("data-png-bytes", "1,000 prepared images (256×1600) and their label maps on disk, stored as PNG",
        "the same stored as pixels", None, stored_bytes, at_most=True, unit="MB"),
]  # fmt: skip
