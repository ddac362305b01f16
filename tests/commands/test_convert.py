"""Folders of images and drawn labels, as the pipeline reads them in the end."""

import csv
import hashlib
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from stages.conversion import competition, label_pictures
from stages.conversion.class_rules import ClassOf
from stages.conversion.labels import LabelledImage
from stages.dataset import archive
from stages.dataset.layout import Files
from stages.pipeline import cli, settings
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]
PREFIXES = ["--class-prefixes", "In", "Pa"]
HALF = ["--test-share", "0.5"]

# 64×128 pixels, large enough for textures that tell near-duplicates apart. For each image, the rectangle (top, bottom,
# left, right) that is white; bottom and right are exclusive.
DRAWN = {
    "In_1": (0, 2, 0, 1),  # the first pixel and the one below it: "1 2"
    "In_2": (63, 64, 127, 128),  # the last pixel: "8192 1"
    "Pa_1": (0, 64, 1, 2),  # the second column: "65 64"
    "Pa_2": (3, 4, 0, 2),  # "4 1 68 1"
}
RUNS = {"In_1": "1 2", "In_2": "8192 1", "Pa_1": "65 64", "Pa_2": "4 1 68 1"}


def drawn(stem: str, value: int) -> np.ndarray:
    """The label of an image, with its rectangle in this value."""
    top, bottom, left, right = DRAWN[stem]
    levels = np.zeros((64, 128), np.uint8)
    levels[top:bottom, left:right] = value
    return levels


@pytest.fixture
def steel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders, images and labels, beside the project's params.yaml; noise, a BMP among JPEGs and PNGs."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    Path("labels").mkdir()
    for number, (stem, suffix) in enumerate(zip(DRAWN, (".jpg", ".bmp", ".png", ".jpg"), strict=True)):
        noise = np.random.default_rng(number).integers(0, 250, (64, 128)).astype(np.uint8)
        cv2.imwrite(f"images/{stem}{suffix}", noise)
        cv2.imwrite(f"labels/{stem}.png", drawn(stem, 255))
    return tmp_path


def run(*words: str) -> None:
    """The command, on the two folders."""
    cli.run_command("convert", ["--images", "images", "--labels", "labels", *words])


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says when it ends with exit status 1."""
    with pytest.raises(SystemExit) as stopped:
        run(*words)
    assert str(stopped.value.code).startswith("convert: ")
    capsys.readouterr()
    return str(stopped.value.code)


def with_test_images() -> list[str]:
    """Options that bring a folder of one test image, so that all others are training images."""
    Path("more").mkdir()
    cv2.imwrite("more/t.bmp", np.arange(64 * 128).reshape(64, 128) % 251)
    return ["--test-images", "more"]


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


def test_the_download_stage_takes_the_zip(steel: Path) -> None:
    """What is written is the layout that the pipeline reads."""
    run("steel.zip", *PREFIXES, *HALF)
    Path("raw").mkdir()
    archive.copy(Path("steel.zip"), Path("raw"), "steel.zip", Files())
    assert sorted(path.name for path in Path("raw").iterdir()) == sorted(competition.LAYOUT)


def test_the_same_input_gives_the_same_bytes(steel: Path) -> None:
    """The zip holds neither dates nor an order of chance; another seed may split otherwise, the same one may not."""
    digests = set()
    for name in ("a.zip", "b.zip"):
        run(name, *PREFIXES, *HALF, "--seed", "5")
        digests.add(hashlib.sha256(Path(name).read_bytes()).hexdigest())
        for path in Path("images").iterdir():
            path.touch()
    assert len(digests) == 1


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


def test_the_longest_prefix_counts() -> None:
    """`In` does not take what `Inner` fits better, whatever the order, and "" takes the rest."""
    class_of = ClassOf(prefixes=("In", "", "Inner"))
    assert [class_of.of(Path(f"{stem}.png")) for stem in ("In_1", "Inner_1", "other")] == [1, 3, 2]


def test_the_output_stands_first_or_after_two_dashes(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a list of names it would be taken for another name: the message says where to put it."""
    reported = refused(capsys, *HALF, *PREFIXES, "--classes", "a", "b", "out.zip")
    assert reported == "convert: expected an OUTPUT first, before the options, or after --; found none"
    run(*HALF, *PREFIXES, "--classes", "a", "b", "--", "out.zip")
    assert Path("out.zip").is_file()


def test_nothing_is_overwritten_unasked(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the zip nor the masks; --force replaces both, but never a folder that holds anything else."""
    Path("steel.test-masks.csv").write_text("mine", encoding="utf-8")
    reported = refused(capsys, "steel.zip", *PREFIXES, *HALF)
    assert "steel.test-masks.csv: expected nothing there" in reported
    assert Path("steel.test-masks.csv").read_text(encoding="utf-8") == "mine"
    run("steel.zip", *PREFIXES, *HALF, "--force")
    assert "steel.zip: expected nothing there" in refused(capsys, "steel.zip", *PREFIXES, *HALF)
    Path("out").mkdir()
    Path("out/thesis.tex").write_text("mine", encoding="utf-8")
    assert "alone, found thesis.tex too" in refused(capsys, "out", *PREFIXES, *HALF, "--force")
    assert "expected an output outside of the input" in refused(capsys, "images", *PREFIXES, *HALF, "--force")
    assert "expected a name for the output, found .." in refused(capsys, "..", *PREFIXES, *HALF, "--force")
    assert Path("out/thesis.tex").exists()


@pytest.mark.parametrize("output", ["out", "out.zip"])
def test_a_failure_while_writing_leaves_the_old_output(
    steel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    """The output is replaced as a whole or not at all."""
    options = [output, *PREFIXES, *HALF]
    run(*options)
    before = archive.digest(Path(output))
    masks = Path("out.test-masks.csv").read_bytes()
    names = sorted(path.name for path in steel.iterdir())

    def broken(found: Sequence[LabelledImage]) -> Iterator[tuple[str, int, str]]:
        yield "In_1.jpg", 1, "1 1"
        raise UserError("no such luck")

    monkeypatch.setattr(competition, "_rows", broken)
    assert refused(capsys, *options, "--force", "--seed", "1") == "convert: no such luck"
    assert archive.digest(Path(output)) == before
    assert Path("out.test-masks.csv").read_bytes() == masks
    assert sorted(path.name for path in steel.iterdir()) == names


def test_true_masks_of_an_earlier_share_go_with_it(
    steel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--test-images has none of its own: they are removed once the output is replaced, not before, nor any other's."""
    options = with_test_images()
    for name in ("out", "other"):
        run(name, *PREFIXES, *HALF)
    stale, other = Path("out.test-masks.csv"), Path("other.test-masks.csv")
    assert "out: expected nothing there" in refused(capsys, "out", *PREFIXES, *options)
    with monkeypatch.context() as patched:
        patched.setattr(competition, "_rows", lambda found: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("out", *PREFIXES, *options, "--force")
    assert stale.is_file()
    run("out", *PREFIXES, *options, "--force")
    assert (stale.exists(), other.is_file()) == (False, True)
    assert [path.name for path in Path("out/test_images").iterdir()] == ["t.bmp"]


def test_the_split_follows_params(steel: Path) -> None:
    """Without --seed, the seed of params.yaml decides, as in the rest of the project."""
    run("a.zip", *PREFIXES, *HALF)
    run("b.zip", *PREFIXES, *HALF, "--seed", str(settings.load().seed))
    assert Path("a.zip").read_bytes() == Path("b.zip").read_bytes()
