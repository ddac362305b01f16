"""Runs are compared by the metric that the competition names."""

from dataclasses import replace

import numpy as np
import pytest

from stages.ablation import gains
from stages.ablation.gains import Result
from stages.ablation.plan import Variant
from stages.commands import compare
from stages.dataset.layout import Metric
from stages.dataset.prepared import Sample
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap, comparison, evaluation_tables, per_image
from stages.scoring.evaluation import ScoredImage
from stages.scoring.per_image import ImageScores

JOINED = Metric(joined=True)


def scores(hits: list[int], metric: Metric, joined: list[tuple[int, int, int]] | None = None) -> ImageScores:
    """Images with 10 true and 10 predicted pixels of the one class, of which so many are in both; each is a group."""
    count, ten = len(hits), np.full((len(hits), 1), 10)
    both = np.array(hits).reshape(-1, 1)
    return ImageScores(
        ["pit"], [f"{number}.png" for number in range(count)], np.arange(count), both / 10, ten, ten, both, metric,
        None if joined is None else np.array(joined),
    )  # fmt: skip


def test_each_metric() -> None:
    """Two images of 10 pixels, 10 and 4 found: IoU 1 and 4/16; the second counts three times in the second round."""
    weights = np.array([[1, 1], [1, 3]])

    def found(metric: Metric, joined: list[tuple[int, int, int]] | None = None) -> list[float]:
        return bootstrap.figures(scores([10, 4], metric, joined), weights)["score"].round(6).tolist()

    assert found(Metric("iou_thresholds")) == [0.5, 0.25]
    assert found(Metric("global_dice")) == [0.7, 0.55]
    assert found(Metric(empty_pair=0)) == [0.7, 0.55]
    assert found(JOINED, [(10, 10, 5), (10, 30, 10)]) == [0.5, 0.5]
    assert found(Metric("global_dice", joined=True), [(10, 10, 5), (10, 30, 10)]) == [0.5, 0.5]
    assert "score" not in bootstrap.figures(scores([10, 4], Metric()))


def test_an_empty_pair_counts_as_the_metric_says() -> None:
    """One image without a pixel in either mask."""
    nothing = np.zeros((1, 1), np.int64)
    empty = ImageScores(["pit"], ["a"], np.zeros(1, np.int64), np.ones((1, 1)), nothing, nothing, nothing)
    for value in (0.0, 0.5):
        assert bootstrap.figures(replace(empty, metric=Metric(empty_pair=value)))["score"].tolist() == [value]


def test_the_verdict_may_differ_from_that_of_mean_dice() -> None:
    """B has more Dice on average, and fewer images beyond the thresholds of IoU."""
    a, b = [10, 0, 0] * 20, [6] * 60
    found = {
        each.name: each for each in comparison.differences(*(scores(hits, Metric("iou_thresholds")) for hits in (a, b)))
    }
    assert (found["mean_dice"].verdict(), found["score"].verdict()) == ("B is higher", "A is higher")
    assert (found["score"].a, found["score"].b, found["score"].groups) == (pytest.approx(1 / 3), 0.0, 60)
    text = compare.differences(scores(a, Metric("iou_thresholds")), scores(b, Metric("iou_thresholds")))
    assert text.splitlines()[2].startswith("| score (iou_thresholds) ")
    assert "score" not in compare.differences(scores(a, Metric()), scores(b, Metric()))


def test_two_metrics_are_not_compared() -> None:
    """The message names both."""
    with pytest.raises(UserError, match=r"the same metric .* found score \(global_dice\) and score \(mean_dice\)"):
        comparison.refuse_unlike("a and b", "validation", scores([1], Metric("global_dice")), scores([1], Metric()))


def test_several_runs_are_pooled_with_their_joined_masks() -> None:
    """The counts of both follow one another."""
    both = comparison.pool([scores([10], JOINED, [(10, 10, 5)]), scores([4], JOINED, [(10, 30, 10)])])
    assert (both.metric, both.joined.tolist() if both.joined is not None else None) == (
        JOINED,
        [[10, 10, 5], [10, 30, 10]],
    )


def test_joined_masks_go_through_images_csv() -> None:
    """Two classes in 100 pixels: 10 + 20 are true, 10 + 10 predicted, 5 + 10 hit, and 3 lie in the other class."""
    overlaps = np.array([[68, 5, 10], [70, 10, 20], [80, 10, 10]])
    image = ScoredImage(Sample(0, "a", 0, 0, (10, 20), (10, 10)), np.array([[100]]), overlaps, overlaps, [True], None)
    table = evaluation_tables.image_table({"held_out": [image]}, ["pit", "line"], JOINED)
    read = per_image.read(table.to_csv(index=False).splitlines(), "x", JOINED)["held_out"]
    assert read.joined is not None
    assert read.joined.tolist() == [[30, 20, 18]]
    usual = evaluation_tables.image_table({"held_out": [image]}, ["pit", "line"])
    assert list(usual) == [name for name in table if not str(name).startswith("joined")]
    with pytest.raises(UserError, match="found no joined_intersection, joined_predicted_pixels, joined_true_pixels"):
        per_image.read(usual.to_csv(index=False).splitlines(), "x", JOINED)


def test_the_ablation_decides_by_the_score() -> None:
    """Its columns are empty where the score is mean Dice."""

    def cells(metric: Metric) -> dict[str, object]:
        one, other = (Result({1: scores(hits, metric)}) for hits in ([10, 0, 0] * 20, [6] * 60))
        variant = Variant("change", "baseline", {}, (1,), {}, last=False)
        return dict(zip(gains.HEADER, gains.line(variant, other, one), strict=True))

    found = cells(Metric("iou_thresholds"))
    assert (found["verdict"], found["score"], found["score_gain"], found["mean_dice_gain"]) == (
        "loss", 0.0, -0.333333, 0.266667,
    )  # fmt: skip
    found = cells(Metric())
    assert (found["verdict"], found["score"], found["score_gain"]) == ("gain", None, None)
