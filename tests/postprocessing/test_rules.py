"""From probabilities to the label map."""

import ast
import json
import sys
from typing import Any

import numpy as np
import pytest

from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing import rules as rules_module
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Gate, Rule, Rules, gate_scores, label_map, plain, segment
from tests.support.predictions import prediction


def one(rule: Rule, *rows: str, gate: Gate = "max") -> list[str]:
    """Label map of a single class of level 200 where the drawing has 1, as a drawing."""
    drawn = [[200 * int(pixel) for pixel in row] for row in rows]
    labels = label_map(prediction(drawn), Rules(gate, (rule,)))
    return ["".join(map(str, row)) for row in labels.tolist()]


def test_plain_takes_what_is_more_probable_than_not() -> None:
    """127/255 is below one half, 128/255 above; two rows, three classes."""
    drawn = prediction([[127, 128], [0, 0]], [[0, 127], [200, 0]], [[0, 0], [55, 255]])
    labels = label_map(drawn, plain(3))
    assert (labels.tolist(), labels.dtype) == ([[0, 1], [2, 3]], np.uint8)


def test_of_equal_levels_the_lower_class_wins() -> None:
    """A tie of classes 1 and 2 is class 1; one level more, and it is class 2."""
    assert label_map(prediction([[130, 130]], [[130, 131]]), plain(2)).tolist() == [[1, 2]]


def test_nothing_found_is_background() -> None:
    """An empty map of the image's size, with every rule at work."""
    labels = label_map(prediction([[0] * 5] * 3), Rules("area", (Rule(1, 0, 4, 4),), (2.0,), softmax=True))
    assert labels.shape == (3, 5)
    assert not labels.any()


def test_the_highest_class_fits() -> None:
    """254 classes, as many as settings allow, still fit into a byte."""
    pixels = np.zeros((1, 1, 254), np.uint8)
    pixels[0, 0, 253] = 255
    labels = label_map(Prediction(pixels, np.full(254, 255, np.uint8)), plain(254))
    assert labels.tolist() == [[254]]


def test_thresholds_are_inclusive_and_one_per_class() -> None:
    """Class 1 from 100 on, class 2 from 60 on."""
    rules = Rules("none", (Rule(100, 0, 0, 0), Rule(60, 0, 0, 0)))
    drawn = prediction([[99, 100, 0, 0]], [[0, 0, 59, 60]])
    assert label_map(drawn, rules).tolist() == [[0, 1, 0, 2]]


def test_a_class_below_its_threshold_leaves_the_pixel_to_the_next() -> None:
    """Class 1 is more probable by far and yet not allowed; class 2 reaches its own threshold, or does not."""
    rules = Rules("none", (Rule(200, 0, 0, 0), Rule(60, 0, 0, 0)))
    assert label_map(prediction([[150, 150]], [[60, 59]]), rules).tolist() == [[2, 0]]


def test_a_closed_gate_leaves_the_pixels_to_the_next() -> None:
    """Class 1 never gets above 180: a gate of 180 is open, one of 181 is closed and gives the pixel to class 2."""
    drawn = prediction([[180, 0]], [[60, 60]])
    for gate, expected in ((180, [[1, 2]]), (181, [[2, 2]])):
        rules = Rules("max", (Rule(100, gate, 0, 0), Rule(60, 0, 0, 0)))
        assert label_map(drawn, rules).tolist() == expected


def test_a_segmentation_says_which_gates_are_open() -> None:
    """After correction, 170 under a weight of 2 is 128 and opens the first gate; 60 does not open the second."""
    rules = Rules("max", (Rule(100, 128, 0, 0), Rule(60, 61, 0, 0)), (2.0, 1.0), softmax=False)
    assert segment(prediction([[170, 0]], [[60, 60]]), rules).allowed == [True, False]


@pytest.mark.parametrize(
    ("gate", "expected"), [("none", [0, 0]), ("max", [255, 254]), ("area", [2, 0]), ("presence", [7, 9])]
)
def test_gate_scores(gate: Gate, expected: list[int]) -> None:
    """255 + 200 + 55 make two full pixels, 254 does not make one."""
    drawn = prediction([[255, 200, 55]], [[0, 254, 0]], presence=(7, 9))
    scores = gate_scores(drawn, gate)
    assert (scores.tolist(), scores.dtype) == (expected, np.int64)


@pytest.mark.parametrize(("score", "expected"), [(49, ["0"]), (50, ["1"])])
def test_a_gate_by_presence_is_inclusive(score: int, expected: list[str]) -> None:
    """The level of the pixel itself, 200, does not matter."""
    labels = label_map(prediction([[200]], presence=(score,)), Rules("presence", (Rule(128, 50, 0, 0),)))
    assert labels.astype(str).tolist() == [expected]


def test_a_gate_of_zero_never_closes() -> None:
    """Not even where the network rules the class out."""
    rules = Rules("presence", (Rule(128, 0, 0, 0),))
    assert label_map(Prediction(np.full((1, 1, 1), 200, np.uint8), np.zeros(1, np.uint8)), rules).any()


@pytest.mark.parametrize(
    ("least", "expected"),
    [
        (0, ["11001", "11000", "00001", "00010"]),
        (1, ["11001", "11000", "00001", "00010"]),
        (2, ["11000", "11000", "00001", "00010"]),  # corners touch: the two at the lower right are one component
        (3, ["11000", "11000", "00000", "00000"]),
        (4, ["11000", "11000", "00000", "00000"]),
        (5, ["00000", "00000", "00000", "00000"]),
    ],
)
def test_small_components_vanish(least: int, expected: list[str]) -> None:
    """Components of 4, 1 and 2 pixels; a component of exactly the bound stays."""
    assert one(Rule(128, 0, 0, least), "11001", "11000", "00001", "00010") == expected


@pytest.mark.parametrize(("least", "kept"), [(0, True), (3, True), (4, False)])
def test_small_areas_vanish(least: int, kept: bool) -> None:
    """Three pixels in two places count together."""
    drawn = ("1100", "0001")
    assert one(Rule(128, 0, least, 0), *drawn) == (list(drawn) if kept else ["0000", "0000"])


def test_components_go_before_the_area_is_taken() -> None:
    """4 of 5 pixels remain: a minimum area of 5 empties the class, although there were 5 pixels before."""
    assert one(Rule(128, 0, 4, 2), "1101", "1100") == ["1100", "1100"]
    assert one(Rule(128, 0, 5, 2), "1101", "1100") == ["0000", "0000"]


def test_what_is_removed_becomes_background() -> None:
    """Not the second most probable class, and the other class keeps its own."""
    rules = Rules("none", (Rule(100, 0, 0, 2), Rule(100, 0, 0, 0)))
    assert label_map(prediction([[200, 0, 0]], [[150, 0, 150]]), rules).tolist() == [[0, 0, 2]]


def test_components_are_of_one_class() -> None:
    """Neighbours of another class do not make a component larger."""
    rules = Rules("none", (Rule(100, 0, 0, 2), Rule(100, 0, 0, 2)))
    assert label_map(prediction([[200, 0, 0]], [[0, 200, 200]]), rules).tolist() == [[0, 2, 2]]


def test_gates_and_thresholds_see_corrected_levels() -> None:
    """170 under a weight of 2 is 170/2 / (85 + 170/2) = 128."""
    for gate, threshold, expected in ((128, 128, 1), (129, 128, 0), (128, 129, 0)):
        rules = Rules("max", (Rule(threshold, gate, 0, 0),), (2.0,), softmax=True)
        assert label_map(prediction([[170]]), rules).tolist() == [[expected]]


def test_an_image_of_one_class() -> None:
    """The class with the largest sum stays, although another is more probable in one pixel; of equal ones the first."""
    rules = Rules("none", (Rule(100, 0, 0, 0),) * 2, one_class=True)
    assert label_map(prediction([[150, 150, 150]], [[255, 0, 0]]), rules).tolist() == [[1, 1, 1]]
    assert label_map(prediction([[150, 0]], [[0, 150]]), rules).tolist() == [[1, 0]]
    assert label_map(prediction([[0, 0]], [[0, 0]]), rules).tolist() == [[0, 0]]


def test_one_class_is_chosen_from_corrected_probabilities() -> None:
    """A weight of 5 made the first class look larger than it is."""
    given = prediction([[150, 150]], [[100, 100]])
    rules = Rules("none", (Rule(30, 0, 0, 0),) * 2, (5.0, 1.0), softmax=False, one_class=True)
    assert label_map(given, rules).tolist() == [[2, 2]]


def test_rules_go_through_json() -> None:
    """With and without factors, they come back equal."""
    for rules in (
        plain(2),
        Rules("area", (Rule(51, 3, 20, 7), Rule(255, 0, 0, 1)), (2.5, 10.0), softmax=False),
        plain(3, overlapping=True),
        Rules("max", (Rule(51, 3, 20, 7, veto=5),)),
        Rules("none", (Rule(128, 0, 0, 0),), one_class=True),
    ):
        assert Rules.from_json(json.loads(json.dumps(rules.to_json()))) == rules


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gate": "open"}, "gate: expected one of none, max, area, presence, found 'open'"),
        ({"rules": [{"threshold": 0, "gate": 0, "min_area": 0, "min_component": 0}]}, r"threshold: expected 1 … 255"),
        ({"rules": [{"threshold": 9, "gate": 0.5, "min_area": 0, "min_component": 0}]}, "gate: expected a whole numb"),
        ({"rules": [{"threshold": 9}]}, "missing"),
        ({"rules": 3}, "not iterable"),
        ({"factors": [1.0, 2.0]}, "factors: expected 1, one per class, found 2"),
        ({"factors": [0]}, r"factors: expected finite numbers above 0, found \[0.0\]"),
        ({"softmax": "yes"}, "softmax: expected true or false, found 'yes'"),
        ({"overlapping": 1}, "overlapping: expected true or false, found 1"),
        ({"one_class": None}, "one_class: expected true or false, found None"),
        (
            {"more": 1},
            "expected the keys factors, gate, one_class, overlapping, rules, softmax, "
            "found factors, gate, more, one_class, overlapping, rules, softmax",
        ),
    ],
)
def test_invalid_rules_are_refused(change: dict[str, Any], message: str) -> None:
    """The message says what was expected and what was found."""
    with pytest.raises(UserError, match=f"^rules of post-processing: .*{message}"):
        Rules.from_json(plain(1).to_json() | change)


def test_a_file_of_an_earlier_version_is_refused() -> None:
    """It does not say whether classes may overlap."""
    content = plain(1).to_json()
    del content["overlapping"]
    with pytest.raises(UserError, match="expected the keys factors, gate, one_class, overlapping, rules, softmax"):
        Rules.from_json(content)


def drawn(labels: UInt8) -> list[list[str]]:
    """Planes as drawings, one per class."""
    return [["".join(map(str, row)) for row in plane.tolist()] for plane in np.moveaxis(labels, -1, 0)]


def test_overlapping_classes_are_decided_by_themselves() -> None:
    """Nothing found; then a pixel of both classes, of one, of none: 128 is above one half, 127 is not."""
    empty = label_map(prediction([[0, 0]], [[0, 0]]), plain(2, overlapping=True))
    assert (empty.shape, empty.dtype, empty.any()) == ((1, 2, 2), np.uint8, False)
    labels = label_map(prediction([[128, 255, 127]], [[255, 127, 0]]), plain(2, overlapping=True))
    assert (labels.shape, labels.dtype) == ((1, 3, 2), np.uint8)
    assert drawn(labels) == [["110"], ["100"]]


def test_thresholds_and_gates_of_overlapping_classes() -> None:
    """Class 1 from 100 on and open at 180; class 2 from 60 on, its gate of 91 closed by a largest level of 90."""
    levels = prediction([[99, 100, 180, 0]], [[59, 60, 90, 0]])
    for gate, expected in ((90, ["0110"]), (91, ["0000"])):
        rules = Rules("max", (Rule(100, 180, 0, 0), Rule(60, gate, 0, 0)), None, False, overlapping=True)
        found = segment(levels, rules)
        assert drawn(found.labels) == [["0110"], expected]
        assert found.allowed == [True, gate == 90]


def test_small_parts_of_overlapping_classes_vanish_by_themselves() -> None:
    """Components below 2 pixels, then a rest below 4; the same pixels of the other class stay."""
    rows = [[200, 200, 0, 200], [200, 0, 0, 0]]
    for area, expected in ((3, ["1100", "1000"]), (4, ["0000", "0000"])):
        rules = Rules("none", (Rule(100, 0, area, 2), Rule(100, 0, 0, 0)), overlapping=True)
        assert drawn(label_map(prediction(rows, rows), rules)) == [expected, ["1101", "1000"]]


def test_factors_of_overlapping_classes() -> None:
    """170 under a weight of 2 is 128; without a weight it stays."""
    rules = Rules("none", (Rule(128, 0, 0, 0), Rule(129, 0, 0, 0)), (2.0, 1.0), softmax=False, overlapping=True)
    assert drawn(label_map(prediction([[170, 169]], [[170, 128]]), rules)) == [["10"], ["10"]]


def test_overlaps_are_the_same_as_each_class_alone() -> None:
    """Noise of three classes under rules of any kind, against rules for a single class."""
    generator = np.random.default_rng(4)
    pixels = generator.integers(0, 256, (12, 15, 3)).astype(np.uint8)
    chosen = tuple(
        Rule(threshold, gate, area, least)
        for threshold, gate, area, least in ((100, 255, 20, 3), (150, 0, 0, 5), (180, 90, 9, 0))
    )
    together = label_map(Prediction(pixels, np.full(3, 255, np.uint8)), Rules("max", chosen, overlapping=True))
    for index, rule in enumerate(chosen):
        alone = Prediction(pixels[..., index : index + 1], np.array([255], np.uint8))
        assert (together[..., index] == label_map(alone, Rules("max", (rule,)))).all()


def test_rules_of_another_number_of_classes_are_refused() -> None:
    """A prediction of one class, rules for two."""
    with pytest.raises(UserError, match="expected 1 classes, found 2"):
        label_map(prediction([[0]]), plain(2))


def test_a_notebook_can_run_it() -> None:
    """It imports only NumPy, OpenCV, Python's own library and a few modules of this project."""
    with open(rules_module.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    needed = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    needed |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert needed - set(sys.stdlib_module_names) == {
        "numpy", "cv2", "stages.pipeline.arrays", "stages.pipeline.cli", "stages.postprocessing.class_weights",
        "stages.postprocessing.prediction",
    }  # fmt: skip
