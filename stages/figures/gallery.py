"""The images of the report: one small JPEG each, and masks as run lengths that the browser draws."""

import base64
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from stages.dataset import rle
from stages.dataset.prepared import Dataset, Sample
from stages.figures.overlays import Pixels
from stages.scoring.per_image import ImageScores

WIDTH = 800  # pixels; wider images are made smaller, masks are not
_QUALITY = 70


def jpeg(image: Pixels) -> str:
    """A grey image, at most `WIDTH` wide, as a JPEG in base64."""
    height, width = image.shape
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return base64.b64encode(encoded.tobytes()).decode()


def items(
    data: Dataset, samples: list[Sample], scores: ImageScores, predicted: dict[str, dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """What the page needs of each image.

    Args:
        data: images and true masks.
        samples: the images to show.
        scores: of the same images, in the same order.
        predicted: run lengths by image and class.

    Yields:
        name, size, jpeg, true and predicted (run lengths by class, those with a mask only), dice (of every class that
        is there or predicted), and score (their mean, or 1 for an image rightly found clean), missed and invented
        (pixels).
    """
    for number, sample in enumerate(samples):
        labels = data.labels[sample.position]
        shown = [k for k in range(len(data.classes)) if scores.true[number, k] or scores.predicted[number, k]]
        missed = scores.true[number] - scores.intersection[number]
        invented = scores.predicted[number] - scores.intersection[number]
        dice = {data.classes[k]: float(scores.dice[number, k]) for k in shown}
        yield {
            "name": sample.image,
            "height": labels.shape[0],
            "width": labels.shape[1],
            "true": {data.classes[k]: rle.encode(labels == k + 1) for k in shown if scores.true[number, k]},
            "predicted": predicted.get(sample.image, {}),
            "dice": dice,
            "score": sum(dice.values()) / len(dice) if dice else 1.0,
            "missed": int(missed.sum()),
            "invented": int(invented.sum()),
            "jpeg": jpeg(data.images[sample.position]),
        }
