"""From the matrices of single images to the figures of a fold."""

import numpy as np

from stages.dataset.prepared import Sample
from stages.scoring import evaluation
from stages.scoring.evaluation import ScoredImage


def scored(true: int, found: int, plain: int, *, gate: bool, head: bool | None = None) -> ScoredImage:
    """An image of 10 pixels, `true` of them in the one class, `found` of those predicted, `plain` without rules."""
    matrix, without = (np.array([[10 - true, 0], [true - hits, hits]]) for hits in (found, plain))
    if plain > true:
        without = np.array([[10 - plain, plain - true], [0, true]])
    return ScoredImage(
        Sample(0, "x.jpg", 0, 0, (true,)),
        matrix,
        without,
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
