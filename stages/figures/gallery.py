"""The images of a page: one JPEG per image, and masks as run lengths that the browser draws."""

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
MOST_PIXELS = 100_000_000  # of all photographs of a page together, up to which they are stored as they are
_THINNEST = 16
_QUALITY = 70

Item = dict[str, Any]


def width(pixels: int) -> int:
    """To how many pixels of width the photographs of a page are reduced that have so many pixels together."""
    return WIDTH if pixels > MOST_PIXELS else HEIGHT


def jpeg(image: UInt8, width: int = WIDTH) -> str:
    """A grey or RGB image, at most `width` wide and `HEIGHT` high, as a JPEG in base64.

    The page stretches it to its own sides, so that a side that would get too thin stays as it is.
    """
    height, own = image.shape[:2]
    scale = min(1.0, width / own, HEIGHT / height)
    if scale < 1:
        size = (max(min(own, _THINNEST), round(own * scale)), max(min(height, _THINNEST), round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    stored = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    _, encoded = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return base64.b64encode(encoded.tobytes()).decode()


def truth(labels: UInt8, classes: list[str]) -> dict[str, str]:
    """Run lengths by class of a label map or planes, of the classes that have a pixel."""
    return {classes[k - 1]: rle.encode(label_maps.of_class(labels, k)) for k in label_maps.present(labels)}


def of_image(scores: ImageScores, index: int) -> dict[str, float]:
    """Dice of each class that has a true or a predicted mask in an image."""
    true, found = scores.true[index], scores.predicted[index]
    return {name: float(scores.dice[index, k]) for k, name in enumerate(scores.classes) if true[k] or found[k]}


def mean(dice: dict[str, float]) -> float:
    """The mean over the classes with a mask, by which images are ordered; 1 if there is none."""
    return sum(dice.values()) / len(dice) if dice else 1.0


def words(dice: dict[str, float]) -> str:
    """Dice of each class, for people."""
    return ", ".join(f"{name} {value:.3f}" for name, value in dice.items()) or "no defect, none predicted"


def items(
    data: Dataset, samples: list[Sample], scores: ImageScores, predicted: dict[str, dict[str, str]], width: int = WIDTH
) -> Iterator[Item]:
    """The data of each held-out image that the page needs.

    Args:
        data: images and true masks.
        samples: the images to show.
        scores: their scores, in the same order.
        predicted: run lengths by image and class.
        width: to which photographs are reduced.

    Yields:
        name; caption; height, width; classes (Dice of each that has a true or a predicted mask); clean (whether there
        is no true mask); keys (numbers to sort and filter by); masks (run lengths by layer and class); jpeg.
    """
    for index, sample in enumerate(samples):
        labels = data.truth(sample)
        true, found, hits = scores.true[index], scores.predicted[index], scores.intersection[index]
        dice = of_image(scores, index)
        negatives, positives = int((true - hits).sum()), int((found - hits).sum())
        yield {
            "name": sample.image,
            "caption": f"Dice {mean(dice):.3f} ({words(dice)}); false negatives {negatives:,} px, "
            f"false positives {positives:,} px",
            "height": labels.shape[0],
            "width": labels.shape[1],
            "classes": dice,
            "clean": not true.any(),
            "keys": {"score": mean(dice), "false_negatives": negatives, "false_positives": positives},
            "masks": {"truth": truth(labels, data.classes), "prediction": predicted.get(sample.image, {})},
            "jpeg": jpeg(data.picture(sample), width),
        }
