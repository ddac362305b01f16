"""Masks of one image with a known truth, and their scores."""

from stages.dataset.prepared import Sample
from stages.pipeline.arrays import UInt8
from stages.postprocessing.prediction import FULL, HALF, Prediction
from stages.postprocessing.rules import Rules, label_map, plain, segment
from stages.scoring import confusion, overlaps
from stages.scoring.evaluation import ScoredImage


def score(sample: Sample, prediction: Prediction, true: UInt8, rules: Rules) -> tuple[ScoredImage, UInt8]:
    """Make the masks of an image and count pixels: in true and predicted masks, and by true and predicted class.

    Args:
        sample: the image.
        prediction: the networks' own.
        true: label map, uint8 (height, width), or planes, uint8 (height, width, classes). True masks may overlap even
            where predicted classes do not.
        rules: post-processing for this image.

    Returns:
        The counts, and the predicted label map or planes.
    """
    classes = len(rules.rules)
    found = segment(prediction, rules)
    unprocessed = label_map(prediction, plain(classes, rules.overlapping))
    matrix = confusion.matrix(true, found.labels, classes)
    image = ScoredImage(
        sample,
        matrix,
        overlaps.count(true, found.labels, classes, matrix),
        overlaps.count(true, unprocessed, classes),
        found.allowed,
        (prediction.presence >= HALF).tolist() if (prediction.presence < FULL).any() else None,
    )
    return image, found.labels
