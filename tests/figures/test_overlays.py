"""Masks drawn on images, pixel by pixel on small hand-drawn label maps."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.figures import overlays
from stages.pipeline.arrays import UInt8

GREY = (100, 100, 100)
ONE, TWO = overlays.colour(1), overlays.colour(2)


def drawing(*lines: str) -> UInt8:
    """A label map from lines of digits."""
    return np.array([[int(digit) for digit in line] for line in lines], dtype=np.uint8)


def grey(labels: UInt8) -> UInt8:
    """An even image of the size of a label map."""
    return np.full(labels.shape, 100, dtype=np.uint8)


def where(picture: UInt8, colour: overlays.Colour) -> UInt8:
    """A drawing of the pixels that have a colour: 1 there, 0 elsewhere."""
    return (picture == np.array(colour)).all(axis=2).astype(np.uint8)


def test_outline_of_an_empty_map_is_the_image() -> None:
    """Without masks the picture is the grey image in three channels."""
    labels = drawing("000", "000")
    picture = overlays.outline(grey(labels), labels)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.full((2, 3, 3), 100))


def test_outline_stays_inside_and_leaves_the_middle() -> None:
    """A line one pixel thin covers the border of the mask, not its middle, and nothing outside."""
    labels = drawing("00000", "01110", "01110", "01110", "00000")
    picture = overlays.outline(grey(labels), labels, thickness=1)
    np.testing.assert_array_equal(where(picture, ONE), drawing("00000", "01110", "01010", "01110", "00000"))
    np.testing.assert_array_equal(where(picture, GREY), drawing("11111", "10001", "10101", "10001", "11111"))


def test_outline_closes_at_the_edge_of_the_image() -> None:
    """A mask over the whole image is outlined along the image's edge."""
    labels = np.ones((5, 6), dtype=np.uint8)
    picture = overlays.outline(grey(labels), labels, thickness=2)
    np.testing.assert_array_equal(where(picture, ONE), drawing("111111", "111111", "110011", "111111", "111111"))


def test_outline_follows_holes() -> None:
    """A hole of one pixel is surrounded by a line and stays grey itself."""
    labels = np.ones((7, 7), dtype=np.uint8)
    labels[3, 3] = 0
    drawn = where(overlays.outline(grey(labels), labels, thickness=1), ONE)
    np.testing.assert_array_equal(drawn[2:5, 2:5], drawing("111", "101", "111"))


def test_neighbouring_classes_keep_their_own_colours() -> None:
    """Two masks side by side do not cover one another."""
    labels = drawing("1122", "1122")
    picture = overlays.outline(grey(labels), labels)
    np.testing.assert_array_equal(where(picture, ONE), labels == 1)
    np.testing.assert_array_equal(where(picture, TWO), labels == 2)


def test_colours_are_used_again_beyond_the_palette() -> None:
    """There are at least four different colours; the first class beyond them starts again."""
    assert len(set(overlays.PALETTE)) == len(overlays.PALETTE) >= 4
    assert overlays.colour(1) == overlays.PALETTE[0]
    assert overlays.colour(len(overlays.PALETTE) + 1) == overlays.PALETTE[0]


def test_errors_separate_false_negatives_from_false_positives() -> None:
    """True class only: false negative; predicted class only: false positive; both: true positive; else unchanged."""
    true, predicted = drawing("1100") * np.ones((4, 1), np.uint8), drawing("0110") * np.ones((4, 1), np.uint8)
    true = np.pad(true, ((1, 1), (1, 1)), mode="edge")  # room for the inside of the outline
    predicted = np.pad(predicted, ((1, 1), (1, 1)), mode="edge")
    row = overlays.errors(grey(true), true, predicted)[2]  # a middle row; true 1 1 1 0 0 0, predicted 0 0 1 1 0 0
    np.testing.assert_array_equal(row[0], overlays.TRUE_OUTLINE)  # edge of the image
    np.testing.assert_array_equal(row[1], np.rint(0.4 * 100 + 0.6 * np.array(overlays.FALSE_NEGATIVE)))
    np.testing.assert_array_equal(row[2], overlays.TRUE_OUTLINE)  # edge of the mask
    np.testing.assert_array_equal(row[3], np.rint(0.4 * 100 + 0.6 * np.array(overlays.FALSE_POSITIVE)))
    np.testing.assert_array_equal(row[4:], [GREY, GREY])


def test_found_pixels_are_slightly_brighter() -> None:
    """The inside of a mask that is found completely has neither error's colour."""
    labels = np.ones((3, 3), dtype=np.uint8)
    assert tuple(overlays.errors(grey(labels), labels, labels)[1, 1]) == (131, 131, 131)  # 0.8 × 100 + 0.2 × 255


def test_a_wrong_class_is_a_false_positive() -> None:
    """A defect that is found as another class is drawn like a defect that is not there."""
    true = np.ones((3, 3), dtype=np.uint8)
    middle = overlays.errors(grey(true), true, 2 * true)[1, 1]
    np.testing.assert_array_equal(middle, np.rint(0.4 * 100 + 0.6 * np.array(overlays.FALSE_POSITIVE)))


def test_errors_of_two_empty_maps_is_the_image() -> None:
    """Empty against empty shows nothing."""
    labels = drawing("000", "000")
    np.testing.assert_array_equal(overlays.errors(grey(labels), labels, labels), np.full((2, 3, 3), 100))


def test_enlarge_repeats_pixels_by_a_whole_factor() -> None:
    """From 3 pixels to at least 5 takes a factor of 2, and label maps get no values between."""
    labels = drawing("102")
    np.testing.assert_array_equal(overlays.enlarge(labels, width=5)[0], drawing("110022", "110022"))
    assert overlays.enlarge(labels, width=3)[0] is labels


@pytest.mark.parametrize("width", [200, 640, 1600])
def test_caption_adds_a_dark_bar_with_light_text(width: int) -> None:
    """The bar stands above the picture, is as wide, and holds something bright."""
    picture = np.full((50, width, 3), 100, dtype=np.uint8)
    captioned = overlays.caption(picture, "0002cc93b.jpg", {"pits": ONE})
    (enlarged,) = overlays.enlarge(picture)
    bar = captioned[: captioned.shape[0] - enlarged.shape[0]]
    np.testing.assert_array_equal(captioned[len(bar) :], enlarged)
    assert 20 <= len(bar) <= 60
    assert tuple(bar[0, 0]) == (32, 32, 32)
    assert bar.max() > 200
    assert where(bar, ONE).sum() > 50  # the square of the legend


def test_caption_breaks_lines_and_cuts_endless_words() -> None:
    """What is wider than the picture goes on below; nothing is drawn over the right edge."""
    picture = np.full((50, 640, 3), 100, dtype=np.uint8)
    one = overlays.caption(picture, "short")
    many = overlays.caption(picture, "word " * 40 + "x" * 300)
    assert many.shape[0] > one.shape[0] + 40
    assert (many[:-50, -3:] == 32).all()


def test_stack_pads_to_a_common_width() -> None:
    """A narrower picture is padded with white, and a white gap lies between."""
    wide, narrow = np.zeros((2, 5, 3), dtype=np.uint8), np.zeros((3, 4, 3), dtype=np.uint8)
    stacked = overlays.stack([wide, narrow])
    assert stacked.shape[1] == 5
    assert not stacked[:2].any()
    assert (stacked[2:-3] == 255).all()
    assert len(stacked[2:-3]) > 0
    assert not stacked[-3:, :4].any()
    assert (stacked[-3:, 4] == 255).all()


def test_stack_in_columns() -> None:
    """Three pictures in two columns take two rows, the last place white."""
    black = np.zeros((2, 4, 3), dtype=np.uint8)
    stacked = overlays.stack([black, black, black], columns=2)
    gap = stacked.shape[1] - 8
    assert stacked.shape == (4 + gap, 8 + gap, 3)
    assert (stacked[-2:, -4:] == 255).all()
    assert not stacked[-2:, :4].any()


def test_stack_of_nothing_is_refused() -> None:
    """There is no picture without pictures."""
    with pytest.raises(ValueError, match="expected at least one picture"):
        overlays.stack([])


def test_save_writes_rgb(tmp_path: Path) -> None:
    """Red stays red: files hold RGB although cv2 thinks in BGR."""
    overlays.save(np.full((8, 8, 3), (250, 0, 0), dtype=np.uint8), tmp_path / "red.png")
    assert tuple(cv2.imread(str(tmp_path / "red.png"))[0, 0]) == (0, 0, 250)  # BGR
    overlays.save(np.full((8, 8, 3), (250, 0, 0), dtype=np.uint8), tmp_path / "red.jpg")
    assert (tmp_path / "red.jpg").read_bytes().startswith(b"\xff\xd8")


def test_save_refuses_other_formats(tmp_path: Path) -> None:
    """A name that ends neither in .png nor in .jpg is refused."""
    with pytest.raises(ValueError, match=r"expected a name ending in \.png or \.jpg"):
        overlays.save(np.zeros((8, 8, 3), dtype=np.uint8), tmp_path / "red.tiff")
