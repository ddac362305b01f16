"""Training and test images: labels and sizes of a folder of test images, and an earlier split that is kept."""

import csv
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages.dataset import rle
from stages.pipeline import cli

ROOT = Path(__file__).parents[2]
SIZE = (64, 96)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with the project's params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def box(size: tuple[int, int] = SIZE) -> np.ndarray:
    """A label with one object."""
    picture = np.zeros(size, np.uint8)
    picture[8:20, 10:30] = 255
    return picture


def noise(file: str, seed: int, size: tuple[int, ...] = SIZE, dtype: type = np.uint8) -> None:
    """An image that is like no other."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(file, np.random.default_rng(seed).integers(0, 250, size).astype(dtype))


def folders(
    count: int, images: str = "images", labels: str = "labels", first: int = 0, size: tuple[int, int] = SIZE
) -> None:
    """Images and their labels."""
    Path(labels).mkdir(exist_ok=True)
    for number in range(first, first + count):
        noise(f"{images}/{images[0]}{number}.jpg", number, size)
        cv2.imwrite(f"{labels}/{images[0]}{number}.png", box(size))


def run(output: str, *words: str) -> None:
    """The command, on images and labels."""
    cli.run_command("convert", [output, "--images", "images", *words])


def refused(*words: str) -> str:
    """What the command says when it ends with exit status 1."""
    with pytest.raises(SystemExit) as stopped:
        run("refused", *words)
    assert not Path("refused").exists()
    return str(stopped.value.code)


def competition() -> dict[str, Any]:
    """The recipe's section."""
    content: dict[str, Any] = yaml.safe_load(Path("out.recipe.yaml").read_text())["competition"]
    return content


def sides(output: str) -> tuple[set[str], set[str]]:
    """The names of training and test images."""
    train, test = ({path.name for path in Path(output, name).iterdir()} for name in ("train_images", "test_images"))
    return train, test


PNG = ["--labels", "labels", "--class", "pit"]


def test_a_labelled_test_folder() -> None:
    """Its true masks are kept beside the output."""
    folders(2)
    folders(1, "tests", "more", 5)
    run("out", *PNG, "--test-images", "tests", "--test-labels", "more")
    text = Path("out.test-masks.csv").read_text()
    assert text == f"ImageId_ClassId,EncodedPixels\nt5.jpg_1,{rle.encode(box())}\n"


def test_test_images_of_another_size(capsys: pytest.CaptureFixture[str]) -> None:
    """The recipe resizes them to the size of the training images; labelled or not."""
    folders(2)
    folders(1, "tests", "more", 5, (50, 96))
    for words in ([], ["--test-labels", "more"]):
        run("out", *PNG, "--test-images", "tests", *words, "--force")
        found = competition()
        assert (found["image_height"], found["image_width"], found["images"]["sizes"]) == (64, 96, "resized")
        reported = capsys.readouterr().out
        assert "test images have another size than the training images: the recipe resizes them" in reported
        assert "from 50×96 to 64×96 pixels" in reported


def test_test_images_in_colour_or_deep(capsys: pytest.CaptureFixture[str]) -> None:
    """The recipe reads all images alike; 8 and 16 bits cannot be."""
    folders(2)
    noise("tests/t.png", 7, (*SIZE, 3))
    run("out", *PNG, "--test-images", "tests")
    assert competition()["images"] == {"sizes": "equal", "channels": 3}
    assert "the test images alone have colours" in capsys.readouterr().out
    noise("tests/t.png", 7, (*SIZE, 3), np.uint16)
    reported = refused(*PNG, "--test-images", "tests")
    assert (
        "expected all images to have 8 bits per channel or all more, found more here, and 8 in images/i0.jpg"
        in reported
    )


def test_colours_of_16_bits() -> None:
    """They are read with the levels of the deepest image, and written as they are."""
    folders(2)
    for number in range(2):
        Path(f"images/i{number}.jpg").unlink()
        noise(f"images/i{number}.png", number, (*SIZE, 3), np.uint16)
    noise("tests/t.png", 7, (*SIZE, 3), np.uint16)
    run("out", *PNG, "--test-images", "tests")
    assert competition()["images"] == {"sizes": "equal", "channels": 3, "levels": [0, 255]}
    assert Path("out/train_images/i0.png").read_bytes() == Path("images/i0.png").read_bytes()


def test_test_images_below_the_training_images(capsys: pytest.CaptureFixture[str]) -> None:
    """They are no training images."""
    folders(2)
    noise("images/test/t.jpg", 9)
    run("out", *PNG, "--test-images", "images/test")
    assert sides("out") == ({"i0.jpg", "i1.jpg"}, {"t.jpg"})
    assert "images/test is left out of images: it is another folder of this conversion" in capsys.readouterr().out


def coco(file: str, images: dict[str, int], categories: list[str]) -> None:
    """A COCO file with one object per image, of this category."""
    square = [10, 8, 30, 8, 30, 20, 10, 20]
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(images)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(categories)],
        "annotations": [
            {"id": number, "image_id": number, "category_id": category, "segmentation": [square]}
            for number, category in enumerate(images.values())
        ],
    }
    Path(file).write_text(json.dumps(content))


def masks() -> dict[str, str]:
    """Which masks of the test images are not empty."""
    with Path("out.test-masks.csv").open(newline="") as file:
        return {row["ImageId_ClassId"]: row["EncodedPixels"] for row in csv.DictReader(file) if row["EncodedPixels"]}


def test_coco_labels_of_test_images() -> None:
    """A category is found by its name: the file of the test images numbers them otherwise. One file may hold both."""
    folders(2)
    noise("tests/t.jpg", 9)
    coco("train.json", {"i0.jpg": 0, "i1.jpg": 1}, ["line", "pit"])
    coco("test.json", {"t.jpg": 0}, ["pit"])
    words = ["--test-images", "tests", "--test-labels"]
    run("out", "--coco", "train.json", *words, "test.json")
    assert masks() == {"t.jpg_2": rle.encode(box())}
    coco("train.json", {"i0.jpg": 0, "i1.jpg": 1, "t.jpg": 1}, ["line", "pit"])
    run("out", "--coco", "train.json", *words, "train.json", "--force")
    assert masks() == {"t.jpg_2": rle.encode(box())}
    assert sides("out") == ({"i0.jpg", "i1.jpg"}, {"t.jpg"})
    coco("test.json", {"t.jpg": 0}, ["hole"])
    assert "test.json: annotation 0: expected one of line, pit, found hole" in refused(
        "--coco", "train.json", *words, "test.json"
    )
    assert "tests: expected a file, found a folder" in refused("--coco", "train.json", *words, "tests")


def test_labelme_labels_of_test_images() -> None:
    """They have the class ids of the training images, also if a class is missing among them."""
    folders(2)
    noise("tests/t.jpg", 9)
    square = {"shape_type": "rectangle", "points": [[10, 8], [30, 20]]}
    for file, label in (("labels/i0", "line"), ("labels/i1", "pit"), ("more/t", "pit")):
        Path(file).parent.mkdir(exist_ok=True)
        Path(f"{file}.json").write_text(json.dumps({"shapes": [square | {"label": label}]}))
    run("out", "--labelme", "labels", "--test-images", "tests", "--test-labels", "more")
    assert competition()["classes"] == ["line", "pit"]
    assert masks() == {"t.jpg_2": rle.encode(box())}


SHARE = [*PNG, "--test-share", "0.25"]


@pytest.mark.parametrize("before", ["before", "before.zip"])
def test_added_images_keep_the_earlier_split(before: str) -> None:
    """Whatever the seed, what was a test image stays one, and what was not does not become one."""
    folders(16)
    run("before", *SHARE)
    train, test = sides("before")
    run("before.zip", *SHARE, "--force")
    folders(8, first=20)
    for seed in ("1", "2"):
        run(f"then{seed}", *SHARE, "--keep", before, "--seed", seed)
        then_train, then_test = sides(f"then{seed}")
        assert (train - then_train, test - then_test) == (set(), set())
        assert len(then_test - test) == 2


def test_the_content_decides_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Training and test images swap their names: the pictures stay on their sides. What happened is told."""
    folders(16)
    run("before", *SHARE)
    train, test = (sorted(names) for names in sides("before"))
    one, other = Path("images", train[0]), Path("images", test[0])
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    Path("images", test[1]).rename("images/renamed.jpg")
    Path("labels", test[1]).with_suffix(".png").rename("labels/renamed.png")
    noise(f"images/{train[1]}", 77)
    capsys.readouterr()
    run("then", *SHARE, "--keep", "before", "--seed", "3")
    then_train, then_test = sides("then")
    assert one.name in then_test
    assert other.name in then_train
    assert "renamed.jpg" in then_test
    reported = capsys.readouterr().out
    for line in (
        f"images under a new name stay on their side: 3 ({', '.join(sorted((one.name, other.name, 'renamed.jpg')))})",
        f"images whose content changed under the same name are taken for new ones: 1 ({train[1]})",
        f"training images whose content is no longer there: 1 ({train[1]})",
    ):
        assert f"convert: --keep: {line}\n" in reported
    assert "test images whose content" not in reported


def test_an_image_between_a_training_and_a_test_image(capsys: pytest.CaptureFixture[str]) -> None:
    """It resembles both, so all three belong together: they are test images, and what moved is told."""
    folders(16)
    run("before", *SHARE)
    train, test = (sorted(names) for names in sides("before"))
    one, other = (cv2.imread(f"images/{names[0]}", cv2.IMREAD_GRAYSCALE).astype(int) for names in (train, test))
    cv2.imwrite("images/between.png", ((one + other) // 2).astype(np.uint8))
    cv2.imwrite("labels/between.png", box())
    run("then", *SHARE, "--keep", "before")
    then_train, then_test = sides("then")
    assert then_test == {*test, train[0], "between.png"}
    assert then_train == set(train[1:])
    assert f"new ones join to test images become test images: 1 ({train[0]})\n" in capsys.readouterr().out


def test_the_share_stays_when_images_are_added_one_by_one() -> None:
    """Of 16 images 4 are test images, and of 24 it is 6, although each was added alone."""
    folders(16)
    run("0", *SHARE)
    for number in range(8):
        folders(1, first=20 + number)
        run(str(number + 1), *SHARE, "--keep", str(number))
        assert sides(str(number))[1] <= sides(str(number + 1))[1]
    assert [len(sides(output)[1]) for output in ("0", "4", "8")] == [4, 5, 6]


def test_a_damaged_earlier_output() -> None:
    """A zip whose bytes are not those that were written, and a link that leads back."""
    folders(8)
    run("before.zip", *SHARE)
    content = bytearray(Path("before.zip").read_bytes())
    with zipfile.ZipFile("before.zip") as archive:
        content[archive.infolist()[0].header_offset + 200] ^= 255
    Path("before.zip").write_bytes(content)
    assert "before.zip: expected an earlier output of convert, found no readable one (Bad CRC" in refused(
        *SHARE, "--keep", "before.zip"
    )
    Path("loop").symlink_to("loop")
    assert "loop: expected a file or a folder, found a link that leads back" in refused(*SHARE, "--keep", "loop")
