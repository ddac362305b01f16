"""On which side an image of an earlier output stays, by its content."""

import numpy as np

from stages.conversion import earlier_split
from stages.conversion.earlier_split import Earlier

# "both" lay on both sides, under two names.
EARLIER = Earlier({b"train": {"a": False}, b"test": {"b": True}, b"both": {"c": False, "d": True}})


def test_the_side_of_a_content() -> None:
    """Its name matters only where one content lay on both sides; then a new name is a training image."""
    known = {b"train": ("a", "b", "x"), b"test": ("a", "b", "x"), b"both": ("c", "d", "x"), b"new": ("a", "b", "x")}
    sides = {content: [EARLIER.side(content, name) for name in names] for content, names in known.items()}
    assert sides == {
        b"train": [False, False, False],
        b"test": [True, True, True],
        b"both": [False, True, False],
        b"new": [None, None, None],
    }


def test_new_images_go_where_their_near_duplicates_are() -> None:
    """Groups 0 and 1 are of one side, 2 of both, 3 of none."""
    contents = [b"train", b"n", b"test", b"n", b"train", b"test", b"n", b"n"]
    groups = np.array([0, 0, 1, 1, 2, 2, 2, 3])
    test, free = earlier_split.sides(list("abcdefgh"), contents, groups, EARLIER)
    assert test.tolist() == [False, False, True, True, False, True, False, False]
    assert free.tolist() == [False] * 7 + [True]
