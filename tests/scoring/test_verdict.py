"""The verdict of the report, on runs drawn by hand."""

import pytest

from stages.dataset.layout import Metric
from stages.scoring import per_image, verdict
from stages.scoring.per_image import ImageScores

HEADER = "split,image,group,class,dice,true_pixels,predicted_pixels,intersection"
JOINED = ",joined_true_pixels,joined_predicted_pixels,joined_intersection"


def scores(pairs: list[tuple[int, int, int]], metric: Metric = per_image.USUAL) -> ImageScores:
    """Images of one class, each with pixels in the true mask, the predicted mask, and both."""
    lines = [HEADER + JOINED]
    for number, (true, found, both) in enumerate(pairs):
        dice = 2 * both / (true + found) if true + found else 1
        lines.append(f"held_out,{number}.jpg,{number},pit,{dice},{true},{found},{both},{true},{found},{both}")
    return per_image.read(lines, "drawn", metric)["held_out"]


FOUND, MISSED, CLEAN, ALARM = (10, 10, 10), (10, 0, 0), (0, 0, 0), (0, 10, 0)


def test_better_than_nothing() -> None:
    """Every mask is found, and clean images stay clean: of 20 images, 10 gain a whole point each."""
    run = scores([FOUND] * 10 + [CLEAN] * 10)
    first, second = verdict.sentences(run, run)
    assert first.startswith("Better than predicting nothing: mean Dice is 1.000, 0.500 higher (95% interval of the ")
    assert second == (
        "It finds 100% of the true masks (10 of 10), with 0 false alarms in 10 clean pairs; validation (1.000) and "
        "held-out fold (1.000) agree within their intervals."
    )


def test_worse_than_nothing() -> None:
    """A mask on each clean image costs more than the few that are found."""
    run = scores([ALARM] * 20 + [FOUND] * 2 + [MISSED] * 3)
    first, second = verdict.sentences(run, run)
    assert first.startswith("Worse than predicting nothing: mean Dice is 0.080, 0.720 lower (95% interval")
    assert "−" in first
    assert second.startswith("It finds only 40% of the true masks (2 of 5), with 20 false alarms in 20 clean pairs;")


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([CLEAN] * 20, "The data cannot tell it from predicting nothing: mean Dice is 1.000, 0.000 higher"),
        ([FOUND, ALARM] * 10, "The data cannot tell it from predicting nothing: mean Dice is 0.500, 0.000 higher"),
        ([FOUND] * 4, "Too few images to tell it from predicting nothing: mean Dice is 1.000, 1.000 higher"),
    ],
)
def test_nothing_is_claimed_without_need(pairs: list[tuple[int, int, int]], words: str) -> None:
    """An interval that holds 0, and four images, decide nothing."""
    assert verdict.sentences(scores(pairs), scores(pairs))[0].startswith(words)


def test_the_share_of_masks_found_has_an_interval() -> None:
    """It holds the share; there is none without masks."""
    low, high = verdict.found_interval(scores([FOUND] * 6 + [MISSED] * 6 + [CLEAN] * 6)) or (1, 0)
    assert 0.1 < low < 0.5 < high < 0.9
    assert verdict.found_interval(scores([CLEAN] * 6)) is None


def test_no_true_mask() -> None:
    """There is no share of masks found."""
    assert (
        "No held-out image has a true mask; it raises 1 false alarm in 6 clean pairs"
        in verdict.sentences(scores([ALARM] + [CLEAN] * 5), scores([CLEAN] * 6))[1]
    )


def test_folds_that_disagree() -> None:
    """All masks are found in validation, and none in the held-out fold."""
    second = verdict.sentences(scores([MISSED] * 20), scores([FOUND] * 20))[1]
    assert "validation (1.000) and held-out fold (0.000) differ by more than their images explain (−1.000" in second
    few = verdict.sentences(scores([MISSED] * 20), scores([FOUND] * 4))[1]
    assert few.endswith("validation (1.000) and held-out fold (0.000) have too few images to be compared.")


def test_another_metric_is_named() -> None:
    """By global Dice, predicting nothing has 0."""
    run = scores([FOUND] * 9, Metric("global_dice"))
    assert verdict.against_nothing(run).a == 0
    assert verdict.sentences(run, run)[0].startswith(
        "Better than predicting nothing: score (global_dice) is 1.000, 1.000 higher"
    )


def test_nothing_scores_what_an_empty_submission_scores() -> None:
    """With classes joined too: a clean image counts 1, any other 0."""
    for metric in (per_image.USUAL, Metric("mean_dice", 1, True)):
        assert verdict.against_nothing(scores([FOUND] * 3 + [CLEAN] * 9, metric)).a == 0.75
