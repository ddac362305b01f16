"""The scores of one image with a known truth."""

import numpy as np

from stages.dataset.prepared import Sample
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rule, Rules, plain
from stages.postprocessing.scored import score

TRUE = np.array([[1, 1, 0, 0]], np.uint8)
SAMPLE = Sample(0, "a.jpg", 0, 0, (2,), (1, 4))


def test_an_image_is_scored_with_and_without_post_processing() -> None:
    """A threshold of 100 finds both pixels of the mask and one more, a probability of 1/2 finds one of them."""
    prediction = Prediction(np.array([[[200], [110], [100], [0]]], np.uint8), np.array([255], np.uint8))
    image, labels = score(SAMPLE, prediction, TRUE, Rules("max", (Rule(100, 200, 0, 0),)))
    assert labels.tolist() == [[1, 1, 1, 0]]
    assert image.matrix.tolist() == [[1, 1], [0, 2]]
    assert image.overlaps.tolist() == [[1, 2], [2, 2], [1, 3]]
    assert image.plain.tolist() == [[2, 1], [2, 2], [3, 1]]
    assert (image.allowed, image.head) == ([True], None)


def test_a_closed_gate_and_an_image_level_head() -> None:
    """The largest level, 200, does not open a gate of 201; a presence of 127 is below 1/2, 128 is not."""
    for presence, expected in ((127, False), (128, True)):
        prediction = Prediction(np.full((1, 4, 1), 200, np.uint8), np.array([presence], np.uint8))
        image, labels = score(SAMPLE, prediction, TRUE, Rules("max", (Rule(100, 201, 0, 0),)))
        assert not labels.any()
        assert (image.allowed, image.head) == ([False], [expected])


def test_classes_that_overlap() -> None:
    """The first class reaches its threshold of 100 on both pixels, the second its threshold of 150 on the first."""
    prediction = Prediction(np.array([[[200, 150], [200, 149]]], np.uint8), np.array([255, 255], np.uint8))
    true = np.array([[[1, 1], [0, 1]]], np.uint8)
    rules = Rules("none", (Rule(100, 0, 0, 0), Rule(150, 0, 0, 0)), overlapping=True)
    image, labels = score(SAMPLE, prediction, true, rules)
    assert labels.tolist() == [[[1, 1], [1, 0]]]
    assert image.overlaps.tolist() == [[0, 1, 1], [0, 1, 2], [0, 2, 1]]
    assert image.plain.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 2]]
    assert image.matrix.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_true_masks_that_overlap_against_a_label_map() -> None:
    """The masks of a table: the first pixel has both classes and gets the second, which is more probable."""
    prediction = Prediction(np.array([[[140, 200], [0, 0]]], np.uint8), np.array([255, 255], np.uint8))
    image, labels = score(SAMPLE, prediction, np.array([[[1, 1], [0, 1]]], np.uint8), plain(2))
    assert labels.tolist() == [[2, 0]]
    assert image.overlaps.tolist() == image.plain.tolist() == [[0, 0, 1], [0, 1, 2], [1, 0, 1]]
    assert image.matrix.tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 1]]
