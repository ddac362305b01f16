"""From probabilities to the label map."""

import numpy as np

from stages.masks import postprocess


def test_the_most_probable_class_wins() -> None:
    """Two rows of two pixels: background, class 2 by a little, class 1 against a larger sum of others, class 3."""
    probabilities = np.array(
        [
            [[0.7, 0.1, 0.1, 0.1], [0.33, 0.0, 0.34, 0.33]],
            [[0.3, 0.4, 0.3, 0.0], [0.0, 0.0, 0.0, 1.0]],
        ],
        np.float32,
    )
    labels = postprocess.label_map(probabilities)
    assert (labels.tolist(), labels.dtype) == ([[0, 2], [1, 3]], np.uint8)


def test_of_equal_probabilities_the_lower_number_wins() -> None:
    """A tie with the background is background, a tie of classes 1 and 2 is class 1."""
    assert postprocess.label_map(np.array([[[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]]], np.float32)).tolist() == [[0, 1]]


def test_the_background_alone_is_possible() -> None:
    """A network that has collapsed gives an empty map of the image's size."""
    probabilities = np.zeros((3, 5, 4), np.float32)
    probabilities[..., 0] = 1
    labels = postprocess.label_map(probabilities)
    assert labels.shape == (3, 5)
    assert not labels.any()


def test_the_highest_class_fits() -> None:
    """254 classes, as many as settings allow, still fit into a byte."""
    probabilities = np.zeros((1, 1, 255), np.float32)
    probabilities[0, 0, 254] = 1
    assert postprocess.label_map(probabilities).tolist() == [[254]]
