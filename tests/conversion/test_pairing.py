"""Images with their label files, in every arrangement of folders: none is lost, none gets another's label."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.conversion import pairing
from stages.conversion.class_rules import ClassOf
from stages.conversion.label_pictures import Palettes
from stages.conversion.labels import Pictures
from stages.conversion.pairing import InputFolders
from stages.pipeline.cli import UserError

BOTH = InputFolders(Path("images"), Path("labels"))
CLEAN = InputFolders(Path("images"), Path("labels"), unlabelled_are_clean=True)
SINGLE = ClassOf(single=True)
FOLDERS = ClassOf(folders={"pit": 1, "line": 2})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


def touch(names: str) -> None:
    """Make files; none of them is opened."""
    for name in names.split():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def labels(place: InputFolders = BOTH, class_of: ClassOf = SINGLE) -> dict[str, list[tuple[str, int]]]:
    """The label pictures of each image, by the name under which it is stored."""
    found: dict[str, list[tuple[str, int]]] = {}
    for one in pairing.pictures(place, class_of, Palettes()):
        files = one.label.files if isinstance(one.label, Pictures) else ()
        found[one.name] = [(str(file), class_id) for file, class_id in files]
    return found


def refusal(place: InputFolders = BOTH, class_of: ClassOf = SINGLE) -> str:
    """What is said."""
    with pytest.raises(UserError) as refused:
        pairing.pictures(place, class_of, Palettes())
    return str(refused.value)


def test_equal_names_in_parallel_folders() -> None:
    """Each image gets the label of its own folder, and a name with the folder; upper case is taken."""
    touch("images/a/1.jpg images/b/1.JPG labels/a/1.png labels/b/1.PNG")
    assert labels() == {"a_1.jpg": [("labels/a/1.png", 1)], "b_1.JPG": [("labels/b/1.PNG", 1)]}


def test_a_flat_label_of_two_images_is_refused() -> None:
    """Both images are named."""
    touch("images/a/1.jpg images/b/1.jpg labels/1.png")
    assert "labels/1.png: expected one image of this name, found images/a/1.jpg and images/b/1.jpg" in refusal()


@pytest.mark.parametrize("second", ["labels/b/1.png", "labels/a/1.bmp"])
def test_two_labels_of_one_image_are_refused(second: str) -> None:
    """In two folders, or of two formats."""
    touch(f"images/1.jpg labels/a/1.png {second}")
    assert refusal().startswith("images/1.jpg: expected one label, found labels/a/1.")


def test_no_label_is_lost_where_the_folder_is_the_class() -> None:
    """An image may have a picture for each class, with equal names in the folders of the classes."""
    touch("images/s/1.jpg images/t/1.jpg labels/pit/s/1.png labels/line/s/1.png labels/line/t/1.png")
    assert labels(class_of=FOLDERS) == {
        "s_1.jpg": [("labels/line/s/1.png", 2), ("labels/pit/s/1.png", 1)],
        "t_1.jpg": [("labels/line/t/1.png", 2)],
    }


def test_one_picture_for_each_class() -> None:
    """Two of one class are named."""
    touch("images/1.jpg labels/pit/1.png labels/pit/1.bmp labels/line/1.png")
    assert refusal(class_of=FOLDERS) == (
        "images/1.jpg: expected one label for each class, found labels/pit/1.bmp and labels/pit/1.png"
    )


def test_a_suffix_that_is_part_of_another_images_name() -> None:
    """a_pit.png may be the label of class _pit of a, or that of class "" of a_pit."""
    touch("images/a.jpg images/a_pit.jpg labels/a_pit.png")
    reported, both = refusal(class_of=ClassOf(suffixes=("_pit", ""))), "images/a.jpg and images/a_pit.jpg"
    assert reported == f"labels/a_pit.png: expected one image with one of --class-suffixes, found {both}"
    assert labels(CLEAN, ClassOf(suffixes=("_pit", "_line"))) == {"a.jpg": [("labels/a_pit.png", 1)], "a_pit.jpg": []}


def test_images_without_a_label_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused with their count, or taken for clean with it."""
    touch("images/a/1.jpg images/b/1.jpg images/2.jpg labels/a/1.png")
    assert "found 2 (2.jpg, b/1.jpg) without one (--unlabelled-are-clean" in refusal()
    capsys.readouterr()
    assert labels(CLEAN) == {"2.jpg": [], "a_1.jpg": [("labels/a/1.png", 1)], "b_1.jpg": []}
    assert capsys.readouterr().out == (
        "convert: images: images without a label count as clean (--unlabelled-are-clean): 2 (2.jpg, b/1.jpg)\n"
    )


def test_labels_without_an_image_are_refused() -> None:
    """With count and folders, even if images without a label are clean."""
    touch("images/a/1.jpg labels/a/1.png labels/b/1.png labels/b/2.png")
    assert "expected an image in images for every label, found 2 (b/1.png, b/2.png) without one" in refusal(CLEAN)


def test_jpegs_among_labels_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """They lose levels; a folder of them alone is refused."""
    touch("images/1.jpg labels/1.png labels/1.jpg labels/2.JPG")
    assert labels() == {"1.jpg": [("labels/1.png", 1)]}
    assert "JPEGs among them are left out: 2 (1.jpg, 2.JPG)" in capsys.readouterr().out
    Path("labels/1.png").unlink()
    assert refusal() == "labels: expected labels that end in .png, .bmp, .tif, .tiff, found none"


def test_masks_below_the_images_are_no_images(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor are images below the labels labels; both are told."""
    touch("data/1.png data/masks/1.png")
    place = InputFolders(Path("data"), Path("data/masks"))
    assert labels(place) == {"1.png": [("data/masks/1.png", 1)]}
    touch("set/2.png set/images/2.png")
    assert labels(InputFolders(Path("set/images"), Path("set"))) == {"2.png": [("set/2.png", 1)]}
    assert capsys.readouterr().out.count("it is another folder of this conversion") == 2


def test_one_folder_for_images_and_labels() -> None:
    """A PNG without a JPEG beside it could be an image without a label, or a label without an image."""
    touch("images/a.jpg images/a.PNG images/b.jpg")
    place = InputFolders(Path("images"), Path("labels/../images"), unlabelled_are_clean=True)
    Path("labels").mkdir()
    assert labels(place) == {"a.jpg": [("images/a.PNG", 1)], "b.jpg": []}
    touch("images/c.png")
    assert "found none for 1 (c.png): each may be an image or a label" in refusal(place)


def test_suffixes_in_the_folder_of_the_images() -> None:
    """Images may be PNG too: a picture is a label if another has its name without the suffix."""
    touch("images/a.png images/a_pit.png images/b.jpg images/b.png")
    place = InputFolders(Path("images"), Path("images"), unlabelled_are_clean=True)
    found = labels(place, ClassOf(suffixes=("_pit", "")))
    assert found == {"a.png": [("images/a_pit.png", 1)], "b.jpg": [("images/b.png", 2)]}
    touch("images/c_pit.png")
    assert "for every label, found 1 (c_pit.png) without one" in refusal(place, ClassOf(suffixes=("_pit", "")))


def test_black_pictures_outside_of_the_class_folders() -> None:
    """They are no label, and may stand beside one."""
    touch("images/1.jpg labels/pit/1.png")
    Path("labels/free").mkdir()
    cv2.imwrite("labels/free/1.png", np.zeros((2, 2), np.uint8))
    assert labels(class_of=FOLDERS) == {"1.jpg": [("labels/pit/1.png", 1)]}


@pytest.mark.parametrize("suffix", [".txt", ".json"])
def test_texts_of_equal_names(suffix: str) -> None:
    """YOLO's and LabelMe's files are matched by their paths too, whatever the case of their suffix."""
    touch(f"images/a/1.jpg images/b/1.jpg labels/a/1{suffix} labels/b/1{suffix.upper()} labels/classes{suffix}")
    assert pairing.texts(BOTH, suffix) == {
        Path("images/a/1.jpg"): Path(f"labels/a/1{suffix}"),
        Path("images/b/1.jpg"): Path(f"labels/b/1{suffix.upper()}"),
    }


def test_texts_that_do_not_fit() -> None:
    """One for two images, two for one image, and none."""
    touch("images/a/1.jpg images/b/1.jpg labels/1.txt")
    with pytest.raises(UserError, match=r"labels/1.txt: expected one image of this name, found images/a/1.jpg and"):
        pairing.texts(BOTH, ".txt")
    touch("labels/a/1.txt labels/b/1.txt")
    with pytest.raises(UserError, match=r"labels: expected an image in images for every label, found 1 \(1.txt\)"):
        pairing.texts(BOTH, ".txt")
    touch("other/1.jpg")
    Path("labels/1.txt").unlink()
    with pytest.raises(UserError, match=r"^other/1.jpg: expected one label, found labels/a/1.txt and labels/b/1.txt$"):
        pairing.texts(InputFolders(Path("other"), Path("labels")), ".txt")
