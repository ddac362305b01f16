"""What the masks of two engines have in common."""

import numpy as np
import pytest

from stages.dataset.layout import Metric
from stages.dataset.prepared import Sample
from stages.postprocessing.agreement import Agreement
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import plain
from stages.postprocessing.scored import score

SAMPLE = Sample(0, "a.png", 0, 0, (2, 0), (2, 3))


@pytest.mark.parametrize("overlapping", [False, True])
def test_two_engines_that_differ_at_one_pixel(overlapping: bool) -> None:
    """2 of 2 pixels are found here, and 1 by the other engine: Dice 2/3. The second class is empty for both.

    The second image is the same for both.
    """
    found = np.zeros((2, 3, 2), np.uint8)
    found[0, :2, 0] = 200
    other, nothing = found.copy(), np.zeros((2, 3), np.uint8)
    other[0, 1, 0] = 127
    true, presence = (found[..., 0] > 0).astype(np.uint8), np.full(2, 255, np.uint8)
    agreement, rules = Agreement(2), plain(2, overlapping)
    for pixels, theirs, truth in ((found, other, true), (found * 0, found * 0, nothing)):
        _, labels = score(SAMPLE, Prediction(pixels, presence), truth, rules)
        image, other_labels = score(SAMPLE, Prediction(theirs, presence), truth, rules)
        agreement.add(image, labels, other_labels)
    assert (agreement.different_pixels, agreement.pixels) == (1, 12)
    assert agreement.figures(Metric()) == {
        "score": pytest.approx((2 / 3 + 3) / 4),
        "mean_dice": pytest.approx((2 / 3 + 3) / 4),
        "positive_mean_dice": pytest.approx(2 / 3),
        "pixels_that_differ": pytest.approx(1 / 12),
        "masks_that_differ": 1,
    }
