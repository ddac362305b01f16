"""Run lengths, and the confusion matrix of one image."""

import csv
import gzip
from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np

from stages.dataset import rle
from stages.pipeline.arrays import Bool, UInt8
from stages.scoring import confusion
from tests.benchmarks.rows import Pair, Place, Row, SkippedError
from tests.benchmarks.timing import Work, alternate

HEIGHT, WIDTH, CLASSES = 256, 1600, 4
ANNOTATIONS = "severstal-train-annotations.csv.gz"

Coder = Callable[[str], str]


def real_masks(place: Place) -> list[str]:
    """Run lengths of the real masks, shuffled; a quick measurement takes some."""
    path = place.data / ANNOTATIONS
    if not path.is_file():
        raise SkippedError(f"no {path}")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        texts = [row["EncodedPixels"] for row in csv.DictReader(file)]
    order = np.random.default_rng(1).permutation(len(texts))
    return [texts[number] for number in order[: 60 if place.quick else None]]


def there_and_back(text: str) -> str:
    """Ours: run lengths to a mask and back."""
    return rle.encode(rle.decode(text, HEIGHT, WIDTH))


def coco_there_and_back(text: str) -> str:
    """The same with pycocotools and the conversions that a user needs."""
    from pycocotools import mask as coco

    return from_coco(coco.encode(coco.decode(to_coco(text))))


def to_coco(text: str) -> dict[str, object]:
    """From start-length pairs to COCO's object: lengths of runs outside and inside in turns, packed by its C code."""
    from pycocotools import mask as coco

    numbers = np.array(text.split(), np.int64) if len(text) < 100 else np.fromstring(text, np.int64, sep=" ")
    edges = np.zeros(len(numbers) + 2, np.int64)
    edges[1:-1:2] = numbers[0::2] - 1
    edges[2:-1:2] = edges[1:-1:2] + numbers[1::2]
    edges[-1] = HEIGHT * WIDTH
    counts = np.diff(edges).tolist()
    return coco.frPyObjects({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH)


def from_coco(packed: dict[str, bytes]) -> str:
    """From COCO's packed counts to start-length pairs.

    Each character holds five bits; 32 is set if the number continues, and 16 in its last character if it is negative.
    From the fourth number on, numbers are differences to the last but one.
    """
    characters = np.frombuffer(packed["counts"], np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(characters & 32 == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    places = np.arange(len(characters)) - np.repeat(starts, lengths)
    counts = np.add.reduceat((characters & 31) << 5 * places, starts)
    counts -= np.where(characters[ends] & 16, 1 << 5 * lengths, 0)
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    numbers = np.cumsum(counts)[: len(counts) // 2 * 2] + 1
    numbers[1::2] = counts[1::2]
    return " ".join(map(str, numbers.tolist()))


def snippets_there_and_back(text: str) -> str:
    """The same, as in many notebooks on Kaggle."""
    words = text.split()
    starts, lengths = (np.asarray(part, dtype=int) for part in (words[0:][::2], words[1:][::2]))
    starts -= 1
    ends = starts + lengths
    image = np.zeros(HEIGHT * WIDTH, dtype=np.uint8)
    for low, high in zip(starts, ends, strict=True):
        image[low:high] = 1
    mask = image.reshape(WIDTH, HEIGHT).T
    pixels = mask.T.flatten()
    pixels = np.concatenate([[0], pixels, [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(number) for number in runs)


def coded(other: Coder) -> Callable[[Place], Iterator[Pair]]:
    """Decode and encode every mask; each pair of measurements takes some of them."""

    def measure(place: Place) -> Iterator[Pair]:
        texts = real_masks(place)
        parts = [texts[start::20] for start in range(20)] if len(texts) > 1000 else [texts[0::2], texts[1::2]]
        for text in texts[:20]:  # both are correct, and warmed up
            if not text == there_and_back(text) == other(text):
                raise AssertionError(f"not the same mask: {text}")
        return alternate((partial(all_of, there_and_back, part), partial(all_of, other, part)) for part in parts)

    return measure


def all_of(coder: Coder, texts: list[str]) -> list[str]:
    """Each mask by one coder."""
    return list(map(coder, texts))


def encoded_by_rows(place: Place) -> Iterator[Pair]:
    """Masks as in the pipeline, stored row by row because they come from label maps."""
    from pycocotools import mask as coco

    def ours(masks: list[Bool]) -> list[str]:
        return [rle.encode(mask) for mask in masks]

    def theirs(masks: list[Bool]) -> list[str]:
        return [from_coco(coco.encode(np.asfortranarray(mask, np.uint8))) for mask in masks]

    texts = real_masks(place)[:600]
    for start in range(0, len(texts), 30):
        masks = [np.ascontiguousarray(rle.decode(text, HEIGHT, WIDTH)) for text in texts[start : start + 30]]
        yield from alternate([(partial(ours, masks), partial(theirs, masks))])


def label_maps(number: int) -> tuple[UInt8, UInt8]:
    """A true and a predicted label map with a patch of every class; predicted patches are slightly shifted."""
    generator = np.random.default_rng(number)
    true, predicted = np.zeros((2, HEIGHT, WIDTH), np.uint8)
    for class_id in range(1, CLASSES + 1):
        middle = generator.integers((0, 0), (WIDTH, HEIGHT))
        axes = generator.integers(20, (250, 60))
        for drawn, by in ((true, 0), (predicted, 7)):
            cv2.ellipse(drawn, (middle + by).tolist(), axes.tolist(), 0, 0, 360, class_id, cv2.FILLED)
    return true, predicted


def counted(other: Callable[[UInt8, UInt8], Callable[[], object]]) -> Callable[[Place], Iterator[Pair]]:
    """Many images, each counted several times."""

    def measure(place: Place) -> Iterator[Pair]:
        times = 1 if place.quick else 5
        for number in range(5 if place.quick else 40):
            true, predicted = label_maps(number)
            theirs = other(true, predicted)
            if number == 0:
                theirs()
            ours = partial(confusion.matrix, true, predicted, CLASSES)
            yield from alternate([(partial(repeated, ours, times), partial(repeated, theirs, times))])

    return measure


def repeated(work: Work, times: int) -> None:
    """Do the same several times."""
    for _ in range(times):
        work()


def scikit_learn(true: UInt8, predicted: UInt8) -> Callable[[], object]:
    """The confusion matrix of scikit-learn."""
    from sklearn.metrics import confusion_matrix

    return lambda: confusion_matrix(true.reshape(-1), predicted.reshape(-1), labels=range(CLASSES + 1))


def bare_bincount(true: UInt8, predicted: UInt8) -> Callable[[], object]:
    """NumPy's bincount alone, on prepared cells of its own type."""
    cells = (true.astype(np.intp) * (CLASSES + 1) + predicted).reshape(-1)
    return lambda: np.bincount(cells, minlength=(CLASSES + 1) ** 2)


ROWS = [
    Row(
        "masks-coco",
        "decode and encode the 5,159 real masks (256×1600)",
        "pycocotools' C code with the conversion of the competition's text",
        1.0,
        coded(coco_there_and_back),
    ),
    Row(
        "masks-snippets",
        "decode and encode the 5,159 real masks (256×1600)",
        "the usual NumPy snippets of Kaggle's notebooks",
        3.0,
        coded(snippets_there_and_back),
    ),
    Row(
        "masks-rows",
        "encode 600 of them, stored row by row as in a label map",
        "pycocotools' C code with the conversion",
        1.0,
        encoded_by_rows,
    ),
    Row(
        "masks-scikit",
        "count an image (256×1600, 4 classes and background) into a confusion matrix, 5 times",
        "sklearn.metrics.confusion_matrix",
        20.0,
        counted(scikit_learn),
    ),
    Row(
        "masks-bincount",
        "count an image (256×1600, 4 classes and background) into a confusion matrix, 5 times",
        "np.bincount alone, on prepared cells",
        0.8,
        counted(bare_bincount),
    ),
]
