"""Folders of images and drawn labels, as the pipeline reads them in the end."""

import csv
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from stages.conversion import competition
from stages.pipeline import settings
from tests.support.own_steel import DRAWN, HALF, PREFIXES, RUNS, drawn, refused, run, with_test_images


def test_black_and_white_labels_become_run_lengths(steel: Path) -> None:
    """The class comes from the prefix, the runs from what is white, column by column; every byte of the tables."""
    run("out", *PREFIXES, *with_test_images())
    rows = "".join(
        f"{name},{number},{RUNS[name[:4]]}\n"
        for name, number in (("In_1.jpg", 1), ("In_2.bmp", 1), ("Pa_1.png", 2), ("Pa_2.jpg", 2))
    )
    assert Path("out/train.csv").read_bytes().decode() == f"ImageId,ClassId,EncodedPixels\n{rows}"
    expected = "ImageId_ClassId,EncodedPixels\nt.bmp_1,\nt.bmp_2,\n"
    assert Path("out/sample_submission.csv").read_bytes().decode() == expected
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(competition.LAYOUT)
    assert [path.name for path in Path("out/test_images").iterdir()] == ["t.bmp"]
    assert not Path("out.test-masks.csv").exists()


def test_images_keep_every_byte(steel: Path) -> None:
    """JPEG, PNG and BMP are copied: the pipeline reads all of them."""
    run("out", *PREFIXES, *with_test_images())
    for name in ("In_1.jpg", "Pa_1.png", "In_2.bmp"):
        assert Path("out/train_images", name).read_bytes() == Path("images", name).read_bytes()


def test_a_share_is_held_back_with_its_masks(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of four images: one of each class on either side, and the true masks beside the zip, empty ones too."""
    run("steel.zip", *PREFIXES, "--classes", "inclusion", "patches", *HALF)
    with zipfile.ZipFile("steel.zip") as zipped:
        names = zipped.namelist()
    held_back = [Path(name).name for name in names if name.startswith("test_images/")]
    assert sorted(name[:2] for name in held_back) == ["In", "Pa"]
    rows = list(csv.reader(Path("steel.test-masks.csv").read_text(encoding="utf-8").splitlines()))
    inclusion, patches = sorted(held_back)
    assert rows == [
        ["ImageId_ClassId", "EncodedPixels"],
        [f"{inclusion}_1", RUNS[inclusion[:4]]],
        [f"{inclusion}_2", ""],
        [f"{patches}_1", ""],
        [f"{patches}_2", RUNS[patches[:4]]],
    ]
    reported = capsys.readouterr().out
    assert "2 training images (0 without a defect), 2 test images, 64×128 pixels" in reported
    assert reported.endswith("convert: next: make RECIPE=steel.recipe.yaml\n")
    recipe = yaml.safe_load(Path("steel.recipe.yaml").read_text(encoding="utf-8"))
    assert recipe == {
        "download": {"source": str(steel / "steel.zip")},
        "competition": {
            "image_height": 64,
            "image_width": 128,
            "classes": ["inclusion", "patches"],
            "overlapping_classes": False,
            "images": {"sizes": "equal", "channels": 1},
        },
    }
    assert [line.split() for line in reported.splitlines() if line.startswith("inclusion")] == [["inclusion", "1", "1"]]


def test_near_duplicates_stay_on_one_side(steel: Path) -> None:
    """Each image with a slightly brighter copy: whatever the seed, both are training or both are test images."""
    for image in sorted(Path("images").iterdir()):
        cv2.imwrite(f"images/{image.stem}_again.png", cv2.imread(str(image), cv2.IMREAD_GRAYSCALE) + np.uint8(3))
        shutil.copy(f"labels/{image.stem}.png", f"labels/{image.stem}_again.png")
    for seed in range(4):
        run("out", *PREFIXES, *HALF, "--seed", str(seed), "--force")
        test = {path.stem.removesuffix("_again") for path in Path("out/test_images").iterdir()}
        assert len(test) == 2
        assert len(list(Path("out/test_images").iterdir())) == 4


def test_class_ids_are_counted_and_named(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without names, the highest id says how many classes there are; one image may hold two."""
    for stem in DRAWN:
        cv2.imwrite(f"labels/{stem}.png", drawn(stem, 1))
    both = drawn("In_1", 1) + drawn("In_2", 2)
    cv2.imwrite("labels/In_1.png", both)
    run("out", *with_test_images())
    assert yaml.safe_load(Path("out.recipe.yaml").read_text())["competition"]["classes"] == ["defect_1", "defect_2"]
    rows = Path("out/train.csv").read_text(encoding="utf-8").splitlines()
    assert rows[1:4] == ["In_1.jpg,1,1 2", "In_1.jpg,2,8192 1", "In_2.bmp,1,8192 1"]


def test_a_gap_in_the_class_ids_is_refused_unless_named(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids 1 and 3 without a 2 look like a mistake; four given names say that it is none."""
    for stem in DRAWN:
        cv2.imwrite(f"labels/{stem}.png", drawn(stem, 3 if stem == "Pa_2" else 1))
    options = with_test_images()
    assert "the highest, 3, in some label, found none of 2" in refused(capsys, "out", *options)
    assert "Pa_2.jpg: expected class ids of 0 … 2 in its label, found 3" in refused(
        capsys, "out", *options, "--classes", "a", "b"
    )
    run("out", *options, "--classes", "a", "b", "c", "d")
    assert Path("out/sample_submission.csv").read_text(encoding="utf-8").count("t.bmp_") == 4


def test_images_and_labels_must_pair(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A label without an image is always refused; an image without a label only until it is declared clean."""
    options = with_test_images()
    Path("labels/In_1.png").unlink()
    reported = refused(capsys, "out", *PREFIXES, *options)
    assert "expected a label in labels for every image, found 1 (In_1.jpg) without one (--unlabelled" in reported
    run("out", *PREFIXES, *options, "--unlabelled-are-clean")
    assert "4 training images (1 without a defect), 1 test images" in capsys.readouterr().out
    assert "In_1.jpg" not in Path("out/train.csv").read_text(encoding="utf-8")
    assert Path("out/train_images/In_1.jpg").exists()
    Path("images/Pa_1.png").unlink()
    reported = refused(capsys, "other", *PREFIXES, *options, "--unlabelled-are-clean")
    assert "expected an image in images for every label, found 1 (Pa_1.png) without one" in reported


def test_a_label_has_the_size_of_its_image(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The label that differs is named, with both sizes."""
    options = with_test_images()
    cv2.imwrite("labels/Pa_2.png", np.zeros((65, 128), np.uint8))
    reported = refused(capsys, "out", *PREFIXES, *options)
    assert "labels/Pa_2.png: expected 64×128 pixels (height×width), as its image, found 65×128" in reported
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*HALF, "--class-prefixes", "In"], "labels/Pa_1.png: expected a name that starts with one of In"),
        ([*HALF, "--class-prefixes", "In", "In"], "--class-prefixes: expected different prefixes"),
        ([*HALF, *PREFIXES, "--classes", "one"], "--classes: expected 2 names, as there are prefixes, found 1"),
        ([*HALF, *PREFIXES, "--classes", "a b", "c"], "--classes: expected names of letters, digits, _ and -, not"),
        (["--test-share", "0.3", *PREFIXES], "at least 10 groups of near-duplicates for a share of 3/10, found 4"),
        (["--test-images", "none", *PREFIXES], "none: expected a folder, found none"),
        (
            [*HALF, *PREFIXES, "--keep", "none.zip"],
            "none.zip: expected an earlier output of convert, found no readable",
        ),
        ([*HALF, *PREFIXES, "--test-labels", "labels"], "--test-labels: expected --test-images with it, found none"),
    ],
)
def test_options_that_do_not_fit(
    steel: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    """Each ends in one message that says where, what was expected and what was found, and leaves nothing behind."""
    assert message in refused(capsys, "out", *words)
    assert sorted(path.name for path in steel.iterdir()) == ["images", "labels", "params.yaml"]


def test_the_split_follows_params(steel: Path) -> None:
    """Without --seed, the seed of params.yaml decides, as in the rest of the project."""
    run("a.zip", *PREFIXES, *HALF)
    run("b.zip", *PREFIXES, *HALF, "--seed", str(settings.load().seed))
    assert Path("a.zip").read_bytes() == Path("b.zip").read_bytes()
