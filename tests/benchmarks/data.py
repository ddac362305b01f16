"""Preprocessing, and batches for training, both compared with decoding alone on all cores."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2

from stages import preprocess
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
    from stages.training.augment import dataset
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
    Row("data-batches", "an epoch of batches: crops of 256×256, augmented, parameters of params.yaml",
        "cv2.imread of as many images on all cores", 0.7, batched),
]  # fmt: skip
