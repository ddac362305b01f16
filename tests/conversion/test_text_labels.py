"""YOLO-segmentation and LabelMe files: what is read and what is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.conversion import labelme, yolo
from stages.pipeline.cli import UserError

TRIANGLE = "0.1 0.1 0.9 0.1 0.9 0.9"
SHAPE: dict[str, Any] = {"label": "pit", "shape_type": "polygon", "points": [[1, 1], [4, 1], [4, 4]]}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("content", "classes"),
    [
        (b"", []),
        (b"\r\n\r\n", []),
        (b"\xef\xbb\xbf0 " + TRIANGLE.encode() + b"\r\n1 " + TRIANGLE.encode(), [1, 2]),
    ],
)
def test_yolo_of_windows(content: bytes, classes: list[int]) -> None:
    """A byte order mark and other line ends; a file without a line is a clean image."""
    Path("a.txt").write_bytes(content)
    assert [shape.class_id for shape in yolo.read(Path("a.txt"), 2).shapes] == classes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"2 {TRIANGLE}", "expected a class in 0 … 1 (--classes), found '2'"),
        (f"{'1' * 5000} {TRIANGLE}", "expected a class in 0 … 1 (--classes), found '11111"),
        (f"² {TRIANGLE}", "expected a class in 0 … 1 (--classes), found '²'"),
        ("0 0.5 0.5 0.2 0.2", "found a box: these labels are of detection"),
        (f"0 {TRIANGLE} 0.5", "expected a polygon of at least 3 corners, found 7 numbers"),
        ("0 0.1 0.1 0.9 0.1 0.9 nan", "expected a polygon of at least 3 corners"),
        ("0 0.1 0.1 0.9 0.1 0.9 x", "expected numbers"),
    ],
)
def test_yolo_that_is_none(line: str, message: str) -> None:
    """File and line are named."""
    Path("a.txt").write_text(f"0 {TRIANGLE}\n{line}\n")
    with pytest.raises(UserError) as refusal:
        yolo.read(Path("a.txt"), 2)
    assert str(refusal.value).startswith("a.txt, line 2: ")
    assert message in str(refusal.value)


def test_the_order_of_yolos_classes() -> None:
    """A classes.txt with the same names in another order contradicts --classes; other names may be meant."""
    Path("classes.txt").write_text("pit\nline\n")
    yolo.compare_names(Path("classes.txt"), ["pit", "line"])
    yolo.compare_names(Path("classes.txt"), ["hole", "line"])
    with pytest.raises(UserError, match=r"^--classes: expected the order of classes.txt, pit line, found line pit$"):
        yolo.compare_names(Path("classes.txt"), ["line", "pit"])


def written(*shapes: Any, **more: Any) -> labelme.LabelMeFile:
    """A LabelMe file, read."""
    Path("a.json").write_text(json.dumps({"shapes": list(shapes)} | more))
    return labelme.read(Path("a.json"))


def test_labelme_shapes() -> None:
    """A rectangle has two corners, or four; a shape without a kind is a polygon."""
    two = SHAPE | {"shape_type": "rectangle", "points": [[1, 2], [4, 5]]}
    four = SHAPE | {"shape_type": "rectangle", "points": [[1, 2], [4, 2], [4, 5], [1, 5]]}
    plain = {key: value for key, value in SHAPE.items() if key != "shape_type"}
    found = written(two, four, plain, imageHeight=8, imageWidth=9)
    assert [corners for _, corners, _ in found.objects] == [
        (1, 2, 4, 2, 4, 5, 1, 5),
        (1, 2, 4, 2, 4, 5, 1, 5),
        (1, 1, 4, 1, 4, 4),
    ]
    assert found.size == (8, 9)
    assert written(SHAPE, imageHeight=None, imageWidth=None).size is None


@pytest.mark.parametrize("kind", ["circle", "line", "linestrip", "point", "mask"])
def test_other_shapes_are_refused_by_name(kind: str) -> None:
    """None of them is drawn as if it were a polygon."""
    with pytest.raises(UserError, match=f"^a.json: shape 2: expected a polygon or a rectangle, found a {kind}$"):
        written(SHAPE, SHAPE | {"shape_type": kind})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"points": [[1, 2], [3, 4]]}, "shape 1: expected a label"),
        (SHAPE | {"label": None}, "shape 1: expected a label"),
        (SHAPE | {"points": None}, "shape 1: expected points of two numbers"),
        (SHAPE | {"points": [[1, 2], [3, 4]]}, "shape 1: expected a polygon of at least 3 corners"),
        (SHAPE | {"points": [[1, 2], ["x", 4], [5, 6]]}, "shape 1: expected a polygon of numbers"),
        (SHAPE | {"points": [[1, 2], [10**400, 4], [5, 6]]}, "shape 1: expected a polygon of numbers"),
        ("x", "shape 1: expected a label"),
    ],
)
def test_labelme_that_is_none(shape: Any, message: str) -> None:
    """File and shape are named."""
    with pytest.raises(UserError, match=f"^a.json: {message}"):
        written(shape)
    Path("a.json").write_text('{"shapes": [], "imagePath": "a\\u0000.png"}')
    with pytest.raises(UserError, match=r"^a.json: expected imagePath to name an image, found 'a\\x00.png'$"):
        labelme.read(Path("a.json"))
    Path("a.json").write_text('{"shapes": null}')
    with pytest.raises(UserError, match=r"^a.json: expected a LabelMe file with shapes, found none$"):
        labelme.read(Path("a.json"))


def test_a_class_that_is_not_known() -> None:
    """Test images have the classes of the training images."""
    assert [shape.class_id for shape in labelme.label(written(SHAPE), {"line": 1, "pit": 2}).shapes] == [2]
    with pytest.raises(UserError, match=r"^a.json: shape 1: expected one of line, found pit$"):
        labelme.label(written(SHAPE), {"line": 1})


def test_the_image_that_a_labelme_file_names(capsys: pytest.CaptureFixture[str]) -> None:
    """Another image that is there contradicts the file's name; one that is not there is told; folders may differ."""
    images = [Path("x/a.jpg"), Path("y/a.jpg"), Path("b.jpg")]
    for stated in ("a.png", "..\\photos\\a.jpg", "x/a.jpg", "a.jpg", None):
        labelme.check_image_paths({Path("x/a.jpg"): written(imagePath=stated)}, images)
    assert capsys.readouterr().out == ""
    for stated, other in (("b.jpg", "b.jpg"), ("C:\\photos\\b.png", "b.jpg"), ("y/a.jpg", "y/a.jpg")):
        with pytest.raises(UserError, match=f"expected imagePath to name x/a.jpg, .*, which is {other}$"):
            labelme.check_image_paths({Path("x/a.jpg"): written(imagePath=stated)}, images)
    labelme.check_image_paths({Path("x/a.jpg"): written(imagePath="IMG_7.jpg")}, images)
    assert "imagePath names no image and is ignored" in capsys.readouterr().out
