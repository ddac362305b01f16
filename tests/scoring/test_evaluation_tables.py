"""The tables of an evaluation."""

import numpy as np

from stages.dataset.prepared import Sample
from stages.scoring import confusion, evaluation_tables, overlaps, per_image
from stages.scoring.evaluation import ScoredImage


def image(name: str, group: int, matrix: list[list[int]]) -> ScoredImage:
    """An image with this confusion matrix and an open gate for each class."""
    counts = np.array(matrix)
    true = counts.sum(axis=1)[1:].tolist()
    pixels = overlaps.of_matrix(counts)
    return ScoredImage(Sample(0, name, 0, group, tuple(true), (3, 3)), counts, pixels, pixels, [True] * len(true), None)


IMAGES = [image("b.jpg", 3, [[5, 1, 0], [1, 2, 0], [0, 0, 0]]), image("a.jpg", 8, [[9, 0, 0], [0, 0, 0], [0, 0, 0]])]


def test_confusion_table() -> None:
    """One row per cell: pixels, and their share of the true class."""
    table = evaluation_tables.confusion_table(np.array([[3, 1], [0, 2]]), ["background", "pit"])
    assert table.to_csv(index=False, lineterminator="\n").splitlines() == [
        "actual,predicted,pixels,share",
        "background,background,3,0.75",
        "background,pit,1,0.25",
        "pit,background,0,0.0",
        "pit,pit,2,1.0",
    ]


def test_the_image_table_is_what_per_image_reads() -> None:
    """Both splits come back, images in their order: Dice 2·2/(3 + 3), and 1 where nothing is true or predicted."""
    table = evaluation_tables.image_table({"held_out": IMAGES, "validation": IMAGES[1:]}, ["pit", "line"])
    found = per_image.read(table.to_csv(index=False).splitlines(), "drawn")
    scores = found["held_out"]
    assert (scores.images, scores.groups.tolist()) == (["b.jpg", "a.jpg"], [3, 8])
    assert scores.dice.tolist() == [[2 / 3, 1], [1, 1]]
    assert (scores.true[0, 0], scores.predicted[0, 0], scores.intersection[0, 0]) == (3, 3, 2)
    assert found["validation"].images == ["a.jpg"]


def test_the_image_table_counts_overlaps() -> None:
    """One pixel of both classes, of which the line is found: the matrix gives it to the line alone."""
    true, predicted = np.array([[[1, 1]]], np.uint8), np.array([[2]], np.uint8)
    counted = overlaps.count(true, predicted, 2)
    scored = ScoredImage(
        Sample(0, "x.jpg", 0, 0, (1, 0), (1, 1)), confusion.matrix(true, predicted, 2), counted, counted, [], None
    )
    table = evaluation_tables.image_table({"held_out": [scored]}, ["pit", "line"])
    assert table[["true_pixels", "predicted_pixels", "intersection"]].to_numpy().tolist() == [[1, 0, 0], [1, 1, 1]]
    assert table["dice"].tolist() == [0, 1]


def test_presence_table() -> None:
    """Four rows per decision and class: of two images, one has the pit, and its mask is found."""
    table = evaluation_tables.presence_table(IMAGES, ["pit", "line"])
    mask = table[(table["decided_by"] == "mask") & (table["class"] == "pit")]
    assert mask["images"].tolist() == [1, 0, 0, 1]
    assert mask["share"].tolist() == [1, 0, 0, 1]
    assert len(table) == 2 * 2 * 4


def test_class_table_leaves_undefined_figures_out() -> None:
    """The recall of a class that does not occur, for one."""
    metrics = {
        "classes": {"pit": {"precision": 0.5, "recall": None, "f1": 0.1, "iou": 0.2}},
        "positive_dice": {"pit": None},
    }
    table = evaluation_tables.class_table(metrics, ["pit"])
    assert table.to_numpy().tolist() == [["pit", "precision", 0.5], ["pit", "IoU", 0.2]]
