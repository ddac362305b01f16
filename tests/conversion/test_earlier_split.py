"""On which side an image of an earlier output stays, by its content."""

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


def test_sides_of_images() -> None:
    """1: a test image; 0: a training image; -1: a new one."""
    contents = [b"train", b"n", b"test", b"both", b"both"]
    assert earlier_split.sides(list("abxde"), contents, EARLIER).tolist() == [0, -1, 1, 1, 0]
