"""Pictures of the held-out fold: its confusion matrix, and errors in the best, median and worst images."""

from collections.abc import Callable
from pathlib import Path

from stages.dataset.prepared import Dataset, Sample
from stages.figures import confusion_chart, overlays
from stages.pipeline.arrays import UInt8
from stages.scoring import evaluation, overlaps
from stages.scoring.dice import dice
from stages.scoring.evaluation import ScoredImage

SHOWN = 3  # images in each of the pictures best, median and worst


def draw(folder: Path, data: Dataset, images: list[ScoredImage], predicted: Callable[[Sample], UInt8]) -> None:
    """Write confusion.png, best.jpg, median.jpg and worst.jpg.

    Args:
        folder: where to write.
        data: images and true masks.
        images: all images of the fold.
        predicted: gives the predicted label map or planes of an image, at the size at which the competition scores.
    """
    confusion_chart.draw(evaluation.total(images), ["background", *data.classes], folder / "confusion.png")
    for title, shown in evaluation.ranked(images, SHOWN).items():
        pictures = [errors(data, image, predicted(image.sample)) for image in shown]
        overlays.save(overlays.stack(pictures), folder / f"{title}.jpg")


def errors(data: Dataset, image: ScoredImage, predicted: UInt8) -> UInt8:
    """One image with its false positives and false negatives, uint8 (height, width, 3), RGB.

    Args:
        data: images and true masks.
        image: the scores of the image, for the caption.
        predicted: its label map or planes.
    """
    sample = image.sample
    intersection, true, found = overlaps.of_classes(image.overlaps)
    scores = [
        f"{name} Dice {value:.2f}"
        for name, value, pixels in zip(data.classes, dice(intersection, true, found), true + found, strict=True)
        if pixels
    ]
    enlarged = overlays.enlarge(data.picture(sample), data.truth(sample), predicted)
    readable = overlays.reduced(*enlarged, width=overlays.MOST_ROWS)
    return overlays.caption(overlays.errors(*readable), "  ".join([sample.image, *scores]), overlays.LEGEND)
