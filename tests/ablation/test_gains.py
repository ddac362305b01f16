from typing import Any

import numpy as np
import pytest

from stages.ablation import gains
from stages.ablation.gains import Result
from stages.ablation.plan import Variant
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap, per_image
from stages.scoring.per_image import ImageScores
from tests.support.ablations import images_table


def scores(hits: list[int]) -> ImageScores:
    """The validation fold of such images."""
    return per_image.read(images_table([float(hit) for hit in hits], []), "drawn")["validation"]


def line(result: Result, baseline: Result | None) -> dict[str, Any]:
    """The cells of one line by column."""
    changes = {"train.folds": [0, 1], "train.loss": "cce"}
    variant = Variant("change", "baseline", changes, tuple(result.validation), {}, last=False)
    return dict(zip(gains.HEADER, gains.line(variant, result, baseline), strict=True))


def test_seeds_are_averaged_before_images_are_drawn() -> None:
    """Both variants have the seeds 2 and 3; per image the mean gains are 0.2, 0.5, 0, -0.1, 0.3 and 0.3."""
    baseline = Result({1: scores([9] * 6), 2: scores([1, 1, 5, 5, 2, 0]), 3: scores([3, 1, 5, 5, 2, 0])})
    result = Result({2: scores([3, 6, 5, 4, 5, 2]), 3: scores([5, 6, 5, 4, 5, 4])})
    cells = line(result, baseline)
    mean_gains = np.array([0.2, 0.5, 0, -0.1, 0.3, 0.3])
    low, high = np.quantile(bootstrap.draws(range(6)) @ mean_gains / 6, [0.025, 0.975])
    assert cells["mean_dice_gain"] == cells["positive_gain"] == 0.2
    assert (cells["mean_dice_low"], cells["mean_dice_high"]) == pytest.approx((low, high), abs=1e-6)
    assert (cells["positive_low"], cells["positive_high"]) == pytest.approx((low, high), abs=1e-6)
    assert (low > 0, cells["verdict"]) == (True, "gain")
    assert cells["mean_dice"] == round((25 / 60 + 29 / 60) / 2, 6)
    assert cells["seed_spread"] == round(4 / 60, 6)
    assert cells["changed"] == "train.folds=[0,1]; train.loss=cce"


def test_what_the_data_cannot_tell() -> None:
    """One image gains what another loses; and four images decide nothing, however clear the difference."""
    assert line(Result({1: scores([1, 9] * 4)}), Result({1: scores([9, 1] * 4)}))["verdict"] == gains.UNDECIDED
    assert line(Result({1: scores([9] * 4)}), Result({1: scores([1] * 4)}))["verdict"] == gains.UNDECIDED
    assert line(Result({1: scores([9] * 5)}), Result({1: scores([1] * 5)}))["verdict"] == "gain"


def test_variants_on_different_images_are_refused() -> None:
    """The message names both."""
    with pytest.raises(UserError, match="baseline and change cannot be compared: expected the same validation images"):
        line(Result({1: scores([1] * 6)}), Result({1: scores([1] * 5)}))
