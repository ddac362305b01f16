"""Two experiments compared, without TensorFlow and without a run."""

from pathlib import Path

import numpy as np
import pytest

from stages.commands import compare
from stages.commands.compare import Experiment
from stages.pipeline import outputs, paths
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap, comparison, per_image
from stages.scoring.comparison import PairedDifference
from stages.scoring.per_image import ImageScores

HEADER = "split,image,group,class,dice,true_pixels,predicted_pixels,intersection"
CLASSES = ["pit", "line"]


def run(name: str, hits: list[int], true: int = 10, images: str = "", groups: list[int] | None = None) -> Experiment:
    """A run of a few images. Each has a pit of `true` pixels; 10 are predicted, `hits` are in both. No lines."""
    names = images.split() or [f"{number}.jpg" for number in range(len(hits))]
    lines = [HEADER]
    for split in ("held_out", "validation"):
        for number, (image, hit) in enumerate(zip(names, hits, strict=True)):
            group = groups[number] if groups else number
            lines.append(f"{split},{image},{group},pit,{2 * hit / (true + 10)},{true},10,{hit}")
            lines.append(f"{split},{image},{group},line,1.0,0,0,0")
    scores = per_image.read(lines, name)
    right = sum(hits)
    matrix = np.array([[900, 10 * len(hits) - right, 0], [true * len(hits) - right, right, 0], [0, 0, 0]])
    return Experiment(name, scores, ["background", *CLASSES], matrix)


def test_a_clear_difference() -> None:
    """B finds more on each of 30 images."""
    a, b = run("a", [4] * 30), run("b", [8] * 30)
    text = compare.differences(a.scores["held_out"], b.scores["held_out"])
    cells = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]] for row in text.splitlines()}
    assert cells["mean Dice"] == ["0.7000", "0.9000", "+0.2000", "+0.2000 … +0.2000", "B is higher"]
    assert cells["Dice of pit"] == ["0.4000", "0.8000", "+0.4000", "+0.4000 … +0.4000", "B is higher"]
    assert cells["Dice of line"] == ["undefined", "undefined", "undefined", "", "undefined"]
    assert cells["precision of pit"][2] == "+0.4000"


def test_noise_is_not_taken_for_a_difference() -> None:
    """Each run gains on one image what it loses on the next."""
    a, b = run("a", [4, 8] * 10), run("b", [8, 4] * 9 + [8, 5])
    text = compare.differences(a.scores["held_out"], b.scores["held_out"])
    (mean,) = [row for row in text.splitlines() if row.startswith("| mean Dice ")]
    assert "the data cannot tell them apart" in mean


def test_the_bootstrap_is_paired() -> None:
    """Images differ far more than the two runs do, but both runs see the same images: the difference is clear."""
    hits = [0, 3, 6, 9] * 10
    a, b = run("a", hits), run("b", [hit + 1 for hit in hits])
    text = compare.differences(a.scores["held_out"], b.scores["held_out"])
    (mean,) = [row for row in text.splitlines() if row.startswith("| Dice where there is a mask ")]
    assert "B is higher" in mean


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.1, 0.2), "B is higher"),
        ((-0.2, -0.1), "A is higher"),
        ((-0.1, 0.1), "the data cannot tell them apart"),
        ((0.0, 0.0), "the data cannot tell them apart"),
        (None, "undefined"),
    ],
)
def test_verdict(interval: tuple[float, float] | None, words: str) -> None:
    """An interval that touches 0 decides nothing."""
    assert PairedDifference("mean_dice", 0, 0, interval, bootstrap.FEWEST).verdict() == words


def test_a_figure_of_few_images_decides_nothing() -> None:
    """Two images with pits, however clear their difference."""
    a, b = run("a", [1, 1]), run("b", [9, 9])
    text = compare.differences(a.scores["held_out"], b.scores["held_out"])
    (pits,) = [row for row in text.splitlines() if row.startswith("| Dice of pit ")]
    assert "too few images to tell" in pits


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (run("b", [1, 2], images="0.jpg 2.jpg"), "expected the same held-out images, found 2 and 2, of which 2 are in"),
        (run("b", [1, 2, 3]), "expected the same held-out images, found 2 and 3, of which 1 are in one of them only"),
        (run("b", [1, 2], true=11), "expected the same true masks, found different ones of 0.jpg"),
        (run("b", [1, 2], groups=[0, 0]), "expected the same groups of near-duplicates"),
    ],
)
def test_unlike_experiments_are_refused(other: Experiment, reason: str) -> None:
    """Other images, other masks, other groups."""
    a, b = (one.scores["held_out"] for one in (run("a", [1, 2]), other))
    with pytest.raises(UserError) as refusal:
        comparison.refuse_unlike("a and b cannot be compared", "held-out", a, b)
    assert str(refusal.value).startswith("a and b cannot be compared: ")
    assert reason in str(refusal.value)


def shared(a: Experiment, b: Experiment) -> tuple[ImageScores, ImageScores]:
    """The held-out images that both have."""
    return comparison.shared("a and b", "held-out", a.scores["held_out"], b.scores["held_out"])


def test_runs_that_hold_out_other_images_meet_on_those_of_both() -> None:
    """y and z, each with its own figures, whatever their order and the numbers of their groups."""
    a, b = shared(
        run("a", [1, 2, 3], images="x y z", groups=[0, 1, 2]), run("b", [7, 8, 9], images="z y new", groups=[0, 1, 5])
    )
    assert a.images == b.images == ["y", "z"]
    assert (a.intersection[:, 0].tolist(), b.intersection[:, 0].tolist()) == ([2, 3], [8, 7])
    assert a.groups.tolist() == b.groups.tolist()
    assert len(set(a.groups.tolist())) == 2


def test_runs_on_the_same_images_are_compared_as_they_are() -> None:
    """No figure of such a comparison changes."""
    one, other = run("a", [1, 2], groups=[3, 9]), run("b", [3, 4], groups=[3, 9])
    a, b = shared(one, other)
    assert a is one.scores["held_out"]
    assert b is other.scores["held_out"]


def test_near_duplicates_of_either_run_are_drawn_together() -> None:
    """A joins 0 and 1, B joins 1 and 2 by an image that A does not have: all three are one group; 3 is another."""
    a, b = shared(run("a", [1] * 4, groups=[0, 0, 1, 2]), run("b", [1] * 5, groups=[0, 1, 1, 2, 1]))
    assert a.groups.tolist() == b.groups.tolist()
    assert len(set(a.groups[:3].tolist())) == 1
    assert len(set(a.groups.tolist())) == 2


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (run("b", [1, 2], images="x y"), "expected held-out images that are in both, found none among 2 and 2"),
        (run("b", [1, 2, 3], true=11), "expected the same true masks, found different ones of 0.jpg"),
    ],
)
def test_runs_that_share_nothing_to_compare(other: Experiment, reason: str) -> None:
    """Not one image, or one name of two pictures."""
    with pytest.raises(UserError, match=reason):
        shared(run("a", [1, 2]), other)


def test_how_many_images_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that only B holds out; then the confusion matrices are of other images and are left out too."""
    runs = {"a": run("a", [4] * 6), "b": run("b", [8] * 8), "c": run("c", [8] * 6)}
    monkeypatch.setattr(compare, "load", runs.__getitem__)
    text = compare.compare(["a"], ["b"])
    assert "6 images in 6 groups of near-duplicates; left out: 0 that only A has, 2 that only B has\n" in text
    assert "| 0.7000 | 0.9000 | +0.2000 |" in " ".join(text.split())
    assert "No confusion matrices" in text
    assert "left out" not in compare.compare(["a"], ["c"])
    assert "Confusion matrices" in compare.compare(["a"], ["c"])
    several = compare.compare(["a", "c"], ["b", "a"])
    assert "12 images of 2 runs in 6 groups of near-duplicates; left out: 0 that only A has, 2 that only B" in several


def test_means_are_of_the_same_classes() -> None:
    """A never predicts lines; B does, badly: the mean precision is that of pits in both."""
    a, b = run("a", [4] * 9).scores["held_out"], run("b", [8] * 9).scores["held_out"]
    b.predicted[:, 1] = 3
    found = {difference.name: difference for difference in comparison.differences(a, b)}
    assert np.isnan(found["precision.line"].a)
    assert found["precision.line"].b == 0
    assert (found["mean_precision"].a, found["mean_precision"].b) == (0.4, 0.8)


def test_pooled_runs_keep_an_image_that_two_share_in_one_group() -> None:
    """The same name and mask: drawn together with its near-duplicates. The name alone is not enough."""
    one = run("a", [1, 2, 3], images="x y z", groups=[0, 0, 1]).scores["held_out"]
    two = run("b", [1, 2], images="y w", groups=[5, 6]).scores["held_out"]
    pooled = comparison.pool([one, two])
    x, y, z, again, w = pooled.groups.tolist()
    assert x == y == again
    assert len({x, z, w}) == 3
    assert pooled.dice.shape == (5, 2)
    other = run("c", [1, 2], true=11, images="y w").scores["held_out"]
    assert len(set(comparison.pool([one, other]).groups.tolist())) == 4


def test_matrices_stand_side_by_side() -> None:
    """A, B and their difference in one table, in shares; of several runs the mean."""
    text = compare.matrices([np.diag([4, 2])], [np.array([[4, 0], [1, 1]])], ["background", "pit"])
    cells = [cell.strip() for cell in text.splitlines()[-1].split("|")[1:-1]]
    assert cells == ["pit", "0.0000", "1.0000", "0.5000", "0.5000", "+0.5000", "-0.5000"]


def test_the_mean_matrix_leaves_out_runs_without_the_class() -> None:
    """The mean of several runs is over those in which the class occurs."""
    text = compare.matrices([np.diag([4, 2]), np.diag([4, 0])], [np.diag([4, 2])] * 2, ["background", "pit"])
    cells = [cell.strip() for cell in text.splitlines()[-1].split("|")[1:-1]]
    assert cells[:3] == ["pit", "0.0000", "1.0000"]


def test_one_image_with_a_mask_decides_nothing() -> None:
    """Neither of its class nor of the mean over classes."""
    a, b = (run(name, [0] * 20).scores["held_out"] for name in "ab")
    a.true[1:], b.true[1:], b.intersection[0, 0], b.dice[0, 0] = 0, 0, 9, 0.9
    found = {difference.name: difference.verdict() for difference in comparison.differences(a, b)}
    assert found["positive_mean_dice"] == found["positive_dice.pit"] == "too few images to tell"


def test_an_empty_name() -> None:
    """A comma too many is not the workspace."""
    with pytest.raises(UserError, match="expected the name of an experiment, found an empty one"):
        compare.load("")


def test_a_number_of_runs_on_each_side() -> None:
    """Runs are compared in pairs."""
    with pytest.raises(UserError, match="expected as many experiments on both sides, found 2 and 1"):
        compare.compare(["a", "b"], ["c"])


def test_missing_metrics_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, a file of another kind, a file without the held-out fold."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"workspace: expected metrics/images\.csv, found none: run dvc repro"):
        compare.load("workspace")
    outputs.write_table(paths.IMAGES_TABLE, ["image", "class"], [])
    with pytest.raises(UserError, match=r"expected the columns of metrics/images\.csv, found no dice, group"):
        compare.load("workspace")
    columns = HEADER.split(",")
    outputs.write_table(paths.IMAGES_TABLE, columns, [["validation", "a", 0, "pit", 1, 0, 0, 0]])
    with pytest.raises(UserError, match="expected images of every split, found none of held_out"):
        compare.load("workspace")
