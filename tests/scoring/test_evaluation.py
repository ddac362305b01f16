"""From the matrices of single images to the figures of a fold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.dataset.layout import Metric
from stages.dataset.prepared import Sample
from stages.pipeline import settings
from stages.pipeline.settings import Postprocess
from stages.scoring import confusion, evaluation, overlaps
from stages.scoring.evaluation import ScoredImage

ROOT = Path(__file__).parents[2]


def scored(true: int, found: int, plain: int, *, gate: bool, head: bool | None = None) -> ScoredImage:
    """An image of 10 pixels, `true` of them in the one class, `found` of those predicted, `plain` without rules."""
    matrix, without = (np.array([[10 - true, 0], [true - hits, hits]]) for hits in (found, plain))
    if plain > true:
        without = np.array([[10 - plain, plain - true], [0, true]])
    return ScoredImage(
        Sample(0, "x.jpg", 0, 0, (true,), (10, 10)),
        matrix,
        overlaps.of_matrix(matrix),
        overlaps.of_matrix(without),
        [gate],
        None if head is None else [head],
    )


IMAGES = [
    scored(4, 4, 4, gate=True),
    scored(4, 0, 2, gate=False),
    scored(0, 0, 3, gate=True),
    scored(0, 0, 0, gate=False),
]


def test_is_a_class_in_the_image_or_not() -> None:
    """Gates: right, wrongly closed, wrongly open, rightly closed. The third image has no mask left."""
    found = evaluation.presence(IMAGES, ["pit"])
    assert found["gate"]["pit"].tolist() == [[1, 1], [1, 1]]
    assert found["mask"]["pit"].tolist() == [[2, 0], [1, 1]]


def test_the_image_level_head_has_a_matrix_of_its_own() -> None:
    """Without a head there is none."""
    assert set(evaluation.presence(IMAGES, ["pit"])) == {"gate", "mask"}
    said = [(4, True), (4, False), (0, True), (0, False)]
    images = [scored(true, true, true, gate=True, head=head) for true, head in said]
    assert evaluation.presence(images, ["pit"])["head"]["pit"].tolist() == [[1, 1], [1, 1]]


def test_with_and_without_post_processing() -> None:
    """Dice 1, 0, 1, 1 with it; 1, 2·2/(4 + 2), 0, 1 without."""
    assert evaluation.headline(IMAGES)["mean_dice"] == 3 / 4
    without = evaluation.headline(IMAGES)["without_postprocessing"]
    assert without["mean_dice"] == (1 + 2 / 3 + 0 + 1) / 4
    assert without["positive_mean_dice"] == (1 + 2 / 3) / 2


def test_shares_of_presence_stand_in_the_metrics() -> None:
    """By decision, class, truth and outcome; 0 if there is no image of that kind."""
    figures = evaluation.figures(IMAGES, ["pit"])["presence"]
    assert figures["mask"]["pit"]["absent"] == {"absent": 1, "present": 0}
    assert figures["mask"]["pit"]["present"] == {"absent": 0.5, "present": 0.5}
    only_clean = evaluation.figures(IMAGES[2:], ["pit"])["presence"]
    assert only_clean["gate"]["pit"]["present"] == {"absent": 0, "present": 0}


def test_the_score_is_that_of_the_metric() -> None:
    """Dice 1, 0, 1 (empty), 1 (empty) with post-processing, of 8 true pixels 4 found; nothing predicted: 0, 0, 1, 1.

    Without it the third image has 3 false pixels: 4 + 2 of 8 true and of 4 + 2 + 3 predicted pixels are right.
    """
    usual = evaluation.headline(IMAGES)
    assert (
        (usual["score"], usual["all_empty_score"]) == (usual["mean_dice"], usual["all_empty_mean_dice"]) == (0.75, 0.5)
    )
    for metric, score, empty, plain in (
        (Metric("mean_dice", 0), 1 / 4, 0, (1 + 2 / 3) / 4),
        (Metric("global_dice"), 8 / 12, 0, 12 / 17),
        (Metric("iou_thresholds"), 3 / 4, 1 / 2, (1 + 0 + 0 + 1) / 4),
    ):
        found = evaluation.headline(IMAGES, metric)
        assert (found["score"], found["all_empty_score"]) == (score, empty)
        assert found["without_postprocessing"]["score"] == plain
        assert {name: found[name] for name in ("mean_dice", "positive_mean_dice")} == {
            "mean_dice": 0.75, "positive_mean_dice": 0.5,
        }  # fmt: skip
    assert evaluation.figures(IMAGES, ["pit"], Metric("global_dice"))["score"] == 8 / 12


def test_the_terminal_shows_the_score_unless_it_is_mean_dice() -> None:
    """Two lines more, and one without post-processing."""
    usual, other = (
        evaluation.summary(figures | {"validation": evaluation.headline(IMAGES, metric)}, ["pit"], metric)
        for metric in (Metric("mean_dice"), Metric("global_dice"))
        for figures in [evaluation.figures(IMAGES, ["pit"], metric)]
    )
    assert not any("score" in line for line in usual)
    assert [line for line in other if line not in usual] == [
        "score (global_dice) 0.6667 (validation 0.6667)",
        "score of predicting nothing 0.0000 (validation 0.0000)",
        "without post-processing, score 0.7059 (validation 0.7059)",
    ]


def of_planes(true: list[list[int]], predicted: list[list[int]]) -> ScoredImage:
    """An image of one row of pixels of classes pit and line, which may overlap. Its sample claims no pixel."""
    there, found = (np.array([pixels], np.uint8) for pixels in (true, predicted))
    counted = overlaps.count(there, found, 2)
    sample = Sample(0, "x.jpg", 0, 0, (0, 0), (1, 2))
    return ScoredImage(sample, confusion.matrix(there, found, 2), counted, counted, [True, True], None)


def test_figures_of_classes_that_overlap() -> None:
    """Three pixels: of both classes, found; a line on a pit that is taken for a pit alone; background.

    Pit: 2 of 2 found. Line: 1 of 2. The background: 1 of 1. By a confusion matrix alone the line would have no pixel.
    """
    images = [of_planes([[1, 1], [1, 1], [0, 0]], [[1, 1], [1, 0], [0, 0]])]
    figures = evaluation.figures(images, ["pit", "line"])
    assert figures["positive_dice"] == {"pit": 1, "line": 2 / 3}
    assert figures["mean_dice"] == (1 + 2 / 3) / 2
    assert figures["classes"]["line"] == {"precision": 1, "recall": 1 / 2, "f1": 2 / 3, "iou": 1 / 2}
    assert figures["classes"]["background"] == {"precision": 1, "recall": 1, "f1": 1, "iou": 1}
    assert figures["mean_iou"] == (1 + 1 + 1 / 2) / 3
    assert figures["collapsed"] == {"pit": 0, "line": 0}
    assert figures["pixel_accuracy"] == 1  # each pixel got one of its classes


def test_presence_is_that_of_the_scored_masks() -> None:
    """Both classes are true in one pixel, and the index of the data set, which counts other masks, does not matter."""
    found = evaluation.presence([of_planes([[1, 1]], [[0, 1]])], ["pit", "line"])["mask"]
    assert found["pit"].tolist() == [[0, 0], [1, 0]]
    assert found["line"].tolist() == [[0, 0], [0, 1]]


def test_images_with_a_mask_are_ranked() -> None:
    """The clean image is left out; 2·2/(2 + 2) is better than 2·1/(2 + 1)."""
    clean, half, full = (
        of_planes([true], [predicted]) for true, predicted in (([0, 0], [0, 0]), ([1, 1], [0, 1]), ([1, 1], [1, 1]))
    )
    ranked = evaluation.ranked([clean, half, full], 2)
    assert [image is other for image, other in zip(ranked["best"], [full, half], strict=True)] == [True, True]
    assert evaluation.ranked([clean], 2)["best"] == [clean]


def validated(before: float | None, after: float | None) -> dict[str, Any]:
    """The headline of validation folds with this Dice where there is a mask, without and with post-processing."""
    return {"positive_mean_dice": after, "without_postprocessing": {"positive_mean_dice": before}}


def postprocessing(**changes: object) -> Postprocess:
    """The section of params.yaml, with these changes."""
    return settings.load(ROOT / "params.yaml").postprocess.model_copy(update=changes)


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        (0.5, 0.45, False), (0.5, 0.4499, True), (0.7, 0.63, False), (0.3, 0.27, False), (0.3, 0.2699, True),
        (0.5, 0.6, False), (0.5, 0.0, True), (0.0, 0.0, False), (None, None, False),
    ],
)  # fmt: skip
def test_more_than_a_tenth_is_warned_about(before: float | None, after: float | None, warned: bool) -> None:
    """Exactly a tenth is not more, whatever the rounding of 0.3 - 0.27."""
    assert (evaluation.warning(validated(before, after), postprocessing()) is not None) == warned


SEARCH = "raise postprocess.min_positive_dice_ratio, or set postprocess.objective to find_defects"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, f", cross-fitted): {SEARCH}"),
        (
            {"objective": "find_defects"},
            ", cross-fitted): lower postprocess.min_precision, or set postprocess.objective to competition",
        ),
        ({"min_areas": (0, 900)}, f", cross-fitted): change postprocess.min_areas, or set it to null; or {SEARCH}"),
        ({"min_areas": (0, 0), "thresholds": (128, 128)}, f", cross-fitted): {SEARCH}"),
        ({"one_class": True}, f", cross-fitted): set postprocess.one_class to false; or {SEARCH}"),
        (
            {"gate": "none", "thresholds": (200, 128), "gates": None, "min_areas": (9, 9), "min_components": (0, 0)},
            "): change postprocess.thresholds, postprocess.min_areas, or set them to null",
        ),
    ],
)
def test_the_warning_names_what_to_change(changes: dict[str, object], words: str) -> None:
    """With both figures: what is fixed, and what limits the search, if anything is searched."""
    assert evaluation.warning(validated(0.752, 0.666), postprocessing(**changes)) == (
        "post-processing costs 11.4% of the Dice where there is a mask on the validation folds (0.7520 without it, "
        f"0.6660 with it{words}"
    )
