"""Recall and precision over images."""

import numpy as np

from stages.scoring import detection


def test_images_count_and_not_pixels() -> None:
    """Found by one pixel, missed, found elsewhere, clean with a mask, clean: 1 of 3 is found, 1 of 3 masks is right."""
    hits, true, predicted = np.array([[1, 0, 0, 0, 0], [9, 9, 9, 0, 0], [99, 0, 7, 1, 0]])[..., np.newaxis]
    assert detection.figures(hits, true, predicted) == [{"image_recall": 1 / 3, "image_precision": 1 / 3}]


def test_undefined_shares() -> None:
    """No image with the class; no mask; neither."""
    true, predicted = np.array([[0, 4, 0]]), np.array([[5, 0, 0]])
    assert detection.figures(np.zeros((1, 3), int), true, predicted) == [
        {"image_recall": None, "image_precision": 0},
        {"image_recall": 0, "image_precision": None},
        {"image_recall": None, "image_precision": None},
    ]
