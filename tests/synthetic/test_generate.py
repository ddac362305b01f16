"""The built-in sample: the competition's layout, repeatable, with figures near those of the real set."""

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from stages.dataset import rle
from stages.synthetic import generate

SEED, TRAIN, TEST = 1, 100, 6
REAL_MEDIAN_AREA = {1: 3_503, 2: 2_944, 3: 11_706, 4: 24_515}  # pixels, over all masks of the real set

Masks = dict[str, dict[int, npt.NDArray[np.bool_]]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sample for all tests that only read."""
    folder = tmp_path_factory.mktemp("sample")
    generate.generate(folder, TRAIN, TEST, SEED)
    return folder


@pytest.fixture(scope="module")
def masks(sample: Path) -> Masks:
    """Masks of the training images that have any, by image and class."""
    decoded: Masks = defaultdict(dict)
    for row in _rows(sample / "train.csv"):
        decoded[row["ImageId"]][int(row["ClassId"])] = rle.decode(row["EncodedPixels"], 256, 1600)
    return decoded


def test_layout_is_the_competitions(sample: Path) -> None:
    """Two folders of images with names of nine hex digits, two tables, nothing else."""
    entries = sorted(path.name for path in sample.iterdir())
    assert entries == ["sample_submission.csv", "test_images", "train.csv", "train_images"]
    for folder, count in (("train_images", TRAIN), ("test_images", TEST)):
        names = [path.name for path in (sample / folder).iterdir()]
        assert len(names) == count
        assert all(len(name) == 13 and name.endswith(".jpg") and int(name[:9], 16) >= 0 for name in names)


def test_train_csv_has_a_row_per_mask_in_order(sample: Path) -> None:
    """`train.csv` has today's header, LF line ends, and rows sorted by image and class."""
    raw = (sample / "train.csv").read_bytes()
    assert raw.startswith(b"ImageId,ClassId,EncodedPixels\n")
    assert raw.endswith(b"\n")
    assert b"\r" not in raw
    keys = [(row["ImageId"], row["ClassId"]) for row in _rows(sample / "train.csv")]
    assert keys == sorted(set(keys))
    assert {name for name, _ in keys} <= {path.name for path in (sample / "train_images").iterdir()}


def test_sample_submission_has_a_filler_row_per_test_image(sample: Path) -> None:
    """`sample_submission.csv` is what Kaggle serves today: one row an image, `1 409600`, class 0."""
    names = sorted(path.name for path in (sample / "test_images").iterdir())
    expected = "ImageId,EncodedPixels,ClassId\n" + "".join(f"{name},1 409600,0\n" for name in names)
    assert (sample / "sample_submission.csv").read_bytes().decode() == expected


def test_images_are_grey_in_three_channels(sample: Path) -> None:
    """Every JPEG is 1600 by 256 pixels with three equal channels, as the real ones are."""
    for path in sample.glob("*_images/*.jpg"):
        image = _read(path)
        assert image.shape == (256, 1600, 3)
        assert (image == image[:, :, :1]).all()


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs with one seed agree in every file; another seed changes names, images and masks."""
    contents = []
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        (tmp_path / name).mkdir()
        generate.generate(tmp_path / name, 6, 2, seed)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append({path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in files})
    first, again, other = contents
    assert first == again
    assert set(first) & set(other) == {"train.csv", "sample_submission.csv"}
    assert first["train.csv"] != other["train.csv"]


def test_an_image_does_not_depend_on_those_drawn_before() -> None:
    """Drawn forwards or backwards, an image is the same."""
    shots = generate.plan(3, 0, SEED)
    forwards = [generate.draw(shot, SEED) for shot in shots]
    backwards = [generate.draw(shot, SEED) for shot in shots[::-1]][::-1]
    for (grey, labels), (grey_again, labels_again) in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(grey, grey_again)
        np.testing.assert_array_equal(labels, labels_again)


def test_every_planned_class_has_a_mask(masks: Masks) -> None:
    """What the plan says an image shows is what its rows in `train.csv` say."""
    planned = {shot.name: shot.classes for shot in generate.plan(TRAIN, 0, SEED) if shot.classes}
    assert {name: tuple(sorted(found)) for name, found in masks.items()} == planned


def test_masks_lie_on_steel(sample: Path, masks: Masks) -> None:
    """At most a twentieth of a mask's pixels lies in a black margin."""
    for name, found in masks.items():
        steel_columns = np.median(_read(sample / "train_images" / name)[:, :, 0], axis=0) > 8
        for class_id, mask in found.items():
            assert mask[:, steel_columns].sum() >= 0.95 * mask.sum(), (name, class_id)


def test_no_pixel_has_two_classes(masks: Masks) -> None:
    """As in the real set, one label map per image loses nothing."""
    assert all(np.sum(list(found.values()), axis=0).max() == 1 for found in masks.values())


def test_every_class_can_occur_in_each_of_five_folds() -> None:
    """From 100 training images on, each class shows on five different strips or more, near-duplicates not counted."""
    for seed in range(20):
        strips = {shot.scene: shot.classes for shot in generate.plan(100, 0, seed)}
        for class_id in generate.CLASSES:
            assert sum(class_id in classes for classes in strips.values()) >= 5


def test_shares_of_images_are_near_the_real_ones(masks: Masks) -> None:
    """About 47 % of the images are clean, class 3 is the most frequent, some images have two classes."""
    images = {class_id: sum(class_id in found for found in masks.values()) for class_id in generate.CLASSES}
    assert 0.40 <= 1 - len(masks) / TRAIN <= 0.54
    assert images[3] >= 3 * max(images[1], images[2], images[4])
    assert images[2] <= min(images.values())
    assert sum(len(found) > 1 for found in masks.values()) >= 3


@pytest.mark.parametrize("class_id", generate.CLASSES)
def test_median_area_is_near_the_real_one(masks: Masks, class_id: int) -> None:
    """Within a factor of two of the median over the real masks of the class."""
    median = np.median([found[class_id].sum() for found in masks.values() if class_id in found])
    assert REAL_MEDIAN_AREA[class_id] / 2 <= median <= REAL_MEDIAN_AREA[class_id] * 2


def test_some_images_have_black_margins(sample: Path) -> None:
    """In a tenth to a half of the images a part beside the strip is black."""
    medians = [np.median(_read(path)[:, :, 0], axis=0) for path in (sample / "train_images").iterdir()]
    assert 0.1 <= np.mean([(median < 8).mean() > 0.02 for median in medians]) <= 0.5


def test_near_duplicates_are_the_same_strip_shifted(sample: Path) -> None:
    """About one image in twenty shows another's strip, a few pixels off and with other noise."""
    by_scene = defaultdict(list)
    for shot in generate.plan(TRAIN, 0, SEED):
        by_scene[shot.scene].append(_read(sample / "train_images" / shot.name)[:, :, 0])
    pairs = [images for images in by_scene.values() if len(images) > 1]
    assert len(pairs) == TRAIN // 20
    strangers = [images[0] for images in by_scene.values()]
    for first, second in pairs:
        assert not np.array_equal(first, second)
        assert _correlation(first, second) > 0.9
    assert np.mean([_correlation(a, b) for a, b in zip(strangers[:5], strangers[5:10], strict=True)]) < 0.6


def test_defects_are_what_is_outlined() -> None:
    """Beside the same strip without defects, an outlined part differs visibly, and the rest hardly."""
    for shot in [shot for shot in generate.plan(TRAIN, 0, SEED) if shot.classes][:20]:
        grey, labels = generate.draw(shot, SEED)
        bare, nothing = generate.draw(replace(shot, classes=()), SEED)
        assert not nothing.any()
        change = np.abs(np.log((grey + 4.0) / (bare + 4.0)))
        assert change[labels == 0].mean() < 0.02
        for class_id in shot.classes:
            assert np.percentile(change[labels == class_id], 97) > 0.12, (shot, class_id)
            assert change[labels == class_id].mean() > 4 * change[labels == 0].mean(), (shot, class_id)


def test_an_empty_sample_still_has_its_tables(tmp_path: Path) -> None:
    """No images asked for, no images drawn; the headers stand."""
    generate.generate(tmp_path, 0, 0, 0)
    assert (tmp_path / "train.csv").read_text() == "ImageId,ClassId,EncodedPixels\n"
    assert (tmp_path / "sample_submission.csv").read_text() == "ImageId,EncodedPixels,ClassId\n"


def test_negative_counts_are_refused(tmp_path: Path) -> None:
    """The message says which argument, what was expected and what was found."""
    with pytest.raises(ValueError, match=r"test_images: expected 0 or more, found -1"):
        generate.generate(tmp_path, 1, -1, 0)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _read(path: Path) -> npt.NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return np.asarray(image, np.uint8)


def _correlation(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> float:
    """The best over shifts of up to eight pixels each way, smoothed against the sensor's noise."""
    smooth, other = (cv2.GaussianBlur(image, (0, 0), 1.5) for image in (first, second))
    return float(cv2.matchTemplate(smooth, other[8:-8, 8:-8], cv2.TM_CCOEFF_NORMED).max())
