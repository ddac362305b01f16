"""Drawn labels: class ids, colours, black and white, and what is refused because it has two meanings."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.conversion import label_pictures
from stages.pipeline.cli import UserError


@pytest.mark.parametrize("form", ["grey", "palette", "rgb", "bits"])
def test_class_ids_are_read_whatever_the_form(tmp_path: Path, form: str) -> None:
    """Of a palette the index counts: here id 1 is drawn in black and the background in red."""
    ids = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    path = tmp_path / "a.png"
    if form == "palette":
        picture = Image.frombytes("P", (3, 2), ids.tobytes())
        picture.putpalette([255, 0, 0, 0, 0, 0, 9, 9, 9])
    else:
        picture = Image.fromarray(ids)
        picture = {"grey": picture, "rgb": picture.convert("RGB"), "bits": Image.fromarray(ids.astype(np.bool_))}[form]
    picture.save(path)
    np.testing.assert_array_equal(label_pictures.label_map(path, 0), ids)


def test_a_palette_with_few_colours_keeps_its_ids(tmp_path: Path) -> None:
    """Two bits a pixel: the ids are 1, 2 and 3, not the levels 85, 170 and 255 to which grey would be stretched."""
    ids = np.array([[0, 1, 2, 3]], np.uint8)
    picture = Image.frombytes("P", (4, 1), ids.tobytes())
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture.save(tmp_path / "a.png", bits=2)
    assert (tmp_path / "a.png").read_bytes()[24:26] == b"\x02\x03"  # bit depth and kind of colour
    np.testing.assert_array_equal(label_pictures.label_map(tmp_path / "a.png", 0), ids)


@pytest.mark.parametrize(
    ("levels", "inside"),
    [
        ([0, 127, 128, 255], [0, 0, 2, 2]),  # a smoothed border
        ([0, 1, 0, 1], [0, 2, 0, 2]),  # 0 and 1 instead of black and white
        ([0, 0, 0, 0], [0, 0, 0, 0]),
    ],
)
def test_what_counts_as_white(tmp_path: Path, levels: list[int], inside: list[int]) -> None:
    """128 and more is inside; a label of 0 and 1 alone is taken at its word."""
    cv2.imwrite(str(tmp_path / "a.png"), np.array([levels], np.uint8))
    assert label_pictures.label_map(tmp_path / "a.png", 2).tolist() == [inside]


def test_the_colour_of_a_black_and_white_palette_counts(tmp_path: Path) -> None:
    """A palette with white first: index 0 is the defect."""
    picture = Image.frombytes("P", (3, 1), bytes([0, 1, 1]))
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "a.png")
    assert label_pictures.label_map(tmp_path / "a.png", 1).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize(
    ("picture", "class_id", "message"),
    [
        (np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8), 0, "found colours (RGB)"),
        (np.array([[0, 255]], np.uint8), 0, "expected class ids of 0 … 254, found 255 (black-and-white labels need"),
        (np.array([[0, 2]], np.uint8), 1, "found nothing brighter than 2 of 255"),
        (np.array([[[255, 255, 255, 0]]], np.uint8), 1, "found transparent pixels"),
        (np.array([[0, 65535]], np.uint16), 1, "expected black and white in 8 bits per channel, found I;16"),
    ],
)
def test_labels_of_two_meanings_are_refused(tmp_path: Path, picture: np.ndarray, class_id: int, message: str) -> None:
    """What could be read in more than one way is refused, not guessed."""
    Image.fromarray(picture).save(tmp_path / "a.png")
    with pytest.raises(UserError) as refusal:
        label_pictures.label_map(tmp_path / "a.png", class_id)
    assert message in str(refusal.value)
    assert str(tmp_path / "a.png") in str(refusal.value)


def palette(path: Path, ids: list[int], *colours: tuple[int, int, int]) -> Path:
    """A picture of one row with a palette."""
    picture = Image.frombytes("P", (len(ids), 1), bytes(ids))
    picture.putpalette([level for colour in colours for level in colour])
    picture.save(path)
    return path


def test_a_class_id_has_one_colour_in_all_palettes(tmp_path: Path) -> None:
    """A program that saves anew may number the colours by occurrence: id 1 is red in a and green in b."""
    black, red, green = (0, 0, 0), (200, 0, 0), (0, 200, 0)
    palettes = label_pictures.Palettes()
    first = palette(tmp_path / "a.png", [0, 1, 2], black, red, green)
    label_pictures.label_map(first, 0, palettes)
    label_pictures.label_map(palette(tmp_path / "c.png", [0, 2], black, green, green), 0, palettes)  # 1 does not occur
    second = palette(tmp_path / "b.png", [0, 1], black, green)
    with pytest.raises(UserError) as refusal:
        label_pictures.label_map(second, 0, palettes)
    message = (
        f"{second}: expected one colour for each class id in all palettes, found #00c800 for 1, which is #c80000 in"
    )
    assert str(refusal.value).startswith(f"{message} {first}")
    assert label_pictures.by_colour(second, {red: 1, green: 2}).tolist() == [[0, 2]]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_channel_of_transparency_is_left_out_if_opaque(tmp_path: Path, mode: str) -> None:
    """Whatever the label holds; transparent pixels are refused, because their colour may mean nothing."""
    grey = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    grey.convert(mode).save(tmp_path / "a.png")
    assert label_pictures.label_map(tmp_path / "a.png", 0).tolist() == [[0, 1, 2]]
    picture = grey.convert(mode)
    picture.putalpha(Image.fromarray(np.array([[255, 0, 255]], np.uint8)))
    picture.save(tmp_path / "a.png")
    reads: list[Callable[[Path], object]] = [
        lambda label: label_pictures.label_map(label, 0),
        lambda label: label_pictures.label_map(label, 1),
        lambda label: label_pictures.by_colour(label, {(1, 1, 1): 1, (2, 2, 2): 2}),
    ]
    for read in reads:
        with pytest.raises(UserError, match="expected an opaque label, found transparent pixels"):
            read(tmp_path / "a.png")


def test_a_label_that_would_be_read_in_part(tmp_path: Path) -> None:
    """Several pages, a picture that EXIF turns, and a JPEG under another name."""
    page = Image.new("L", (6, 4))
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page])
    exif = Image.Exif()
    exif[274] = 3
    page.save(tmp_path / "turned.png", exif=exif)
    page.save(tmp_path / "lossy.png", format="JPEG")
    for name, message in (
        ("pages.tif", "several pages in one file"),
        ("turned.png", "found one that EXIF turns"),
        ("lossy.png", "found a JPEG, which does not keep them"),
    ):
        with pytest.raises(UserError, match=message):
            label_pictures.label_map(tmp_path / name, 0)


def test_colours_are_not_black_and_white(tmp_path: Path) -> None:
    """Green is bright and red is dark: one would count, and the other would be lost."""
    Image.fromarray(np.array([[[0, 0, 0], [0, 255, 0], [255, 255, 255]]], np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="expected black and white, found colours"):
        label_pictures.label_map(tmp_path / "a.png", 1)
