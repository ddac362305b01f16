"""The images of the report: one small JPEG per image, and masks as run lengths that the browser draws."""

import base64
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from stages.dataset import label_maps, rle
from stages.dataset.prepared import Dataset, Sample
from stages.pipeline.arrays import UInt8
from stages.scoring.per_image import ImageScores

WIDTH, HEIGHT = 800, 4096  # pixels; larger images are reduced, masks are not
_THINNEST = 16
_QUALITY = 70


def jpeg(image: UInt8) -> str:
    """A grey or RGB image, at most `WIDTH` wide and `HEIGHT` high, as a JPEG in base64.

    The page stretches it to its own sides, so that a side that would get too thin stays as it is.
    """
    height, width = image.shape[:2]
    scale = min(1.0, WIDTH / width, HEIGHT / height)
    if scale < 1:
        size = (max(min(width, _THINNEST), round(width * scale)), max(min(height, _THINNEST), round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    stored = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    _, encoded = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return base64.b64encode(encoded.tobytes()).decode()


def items(
    data: Dataset, samples: list[Sample], scores: ImageScores, predicted: dict[str, dict[str, str]]
) -> Iterator[dict[str, Any]]:
    """The data of each image that the page needs.

    Args:
        data: images and true masks.
        samples: the images to show.
        scores: their scores, in the same order.
        predicted: run lengths by image and class.

    Yields:
        name, height, width, jpeg; true and predicted (run lengths of the classes that have a mask); dice (of each class
        that has a true or a predicted mask); score (the mean of those, or 1 if there is none); false_negatives and
        false_positives (pixels).
    """
    for index, sample in enumerate(samples):
        labels = data.truth(sample)
        true, found, hits = scores.true[index], scores.predicted[index], scores.intersection[index]
        shown = [k for k in range(len(data.classes)) if true[k] or found[k]]
        dice = {data.classes[k]: float(scores.dice[index, k]) for k in shown}
        yield {
            "name": sample.image,
            "height": labels.shape[0],
            "width": labels.shape[1],
            "true": {data.classes[k]: rle.encode(label_maps.of_class(labels, k + 1)) for k in shown if true[k]},
            "predicted": predicted.get(sample.image, {}),
            "dice": dice,
            "score": sum(dice.values()) / len(dice) if dice else 1.0,
            "false_negatives": int((true - hits).sum()),
            "false_positives": int((found - hits).sum()),
            "jpeg": jpeg(data.picture(sample)),
        }
