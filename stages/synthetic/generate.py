"""The built-in sample: drawn strips of steel in the competition's own layout, for trying the pipeline without Kaggle.

    generate(Path("data/sample"), train_images=120, test_images=40, seed=1)

It resembles the real data where a pipeline has to cope with it: about 46 % of the images have no defect, the four
classes differ in size and frequency, outlines are coarse, as drawn by hand, some strips have black margins, about
5 % of the images are near-duplicates (one strip photographed twice), and much on clean steel looks like a defect and is
none. Light, grain and contrast are near those of real strips (`python -m tests.synthetic.likeness`); no pixel is taken
from them. **The rare classes are somewhat more frequent than
in the real set** (class 1: 9 % of the images instead of 7, class 2: 7 instead of 2, class 4: 9 instead of 6), so that
with 100 training images or more each class can occur in all of five folds. Figures reached on the sample say nothing
about the real competition.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stages.dataset import rle
from stages.pipeline import parallel
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.progress import counter
from stages.synthetic import surface
from stages.synthetic.defects import DRAWERS

HEIGHT, WIDTH = 256, 1600
CLASSES = (1, 2, 3, 4)

_BORDER = 8  # painted around the photograph, so that a second one can be shifted
_SHIFT = 1  # most pixels by which a photograph is off the middle: two of one strip differ by at most twice as many
_DUPLICATES = 0.05
_QUALITY = 90  # of the JPEG files, with colour halved: the quantisation tables of the real ones
_SHARP = 0.3  # deviation of the lens's blur in pixels up to which none is to be seen
_TRAIN, _TEST = 0, 1
_PLAN, _SCENE, _PHOTO = 0, 1, 2  # what a random generator is used for; part of its seed
# Classes that occur together, and the share of images that show them.
_SHARES: dict[tuple[int, ...], float] = {
    (): 0.46,
    (3,): 0.30,
    (1,): 0.065,
    (4,): 0.06,
    (2,): 0.05,
    (3, 4): 0.03,
    (1, 3): 0.015,
    (1, 2): 0.01,
    (2, 3): 0.01,
}
# Probabilities of 1, 2, … defects of a class in an image, and an annotator's margin around each in pixels.
_PATCHES = {1: [0.75, 0.25], 2: [0.8, 0.2], 3: [0.45, 0.35, 0.2], 4: [0.5, 0.35, 0.15]}
_MARGIN = {1: 8, 2: 5, 3: 5, 4: 5}


@dataclass(frozen=True)
class Shot:
    """One image to make.

    Attributes:
        name: its file name.
        split: 0 for training, 1 for test.
        index: its number within the split, which seeds the photograph.
        scene: the index that seeds the strip; a near-duplicate has that of another image.
        classes: the classes that occur, ascending.
    """

    name: str
    split: int
    index: int
    scene: int
    classes: tuple[int, ...]


def generate(folder: Path, train_images: int, test_images: int, seed: int) -> None:
    """Write a sample of the competition. The same arguments give the same bytes.

    Writes `train_images/*.jpg` and `test_images/*.jpg` (1600 by 256 pixels, grey in three channels), `train.csv` (a
    row per mask) and `sample_submission.csv` (a filler row per test image), both sorted by image. A few images are held
    in memory at a time. On another processor or with another OpenCV, a few grey levels may differ by one.

    Args:
        folder: an existing, empty folder.
        train_images, test_images: how many of each, 0 or more.
        seed: 0 or more.

    Raises:
        OSError: the folder cannot be written to.
        ValueError: a negative count or seed.
    """
    for name, number in (("train_images", train_images), ("test_images", test_images), ("seed", seed)):
        if number < 0:
            raise ValueError(f"{name}: expected 0 or more, found {number}")
    train, test = plan(train_images, _TRAIN, seed), plan(test_images, _TEST, seed)
    with (
        counter("download: drawing steel", len(train) + len(test)) as progress,
        (folder / "train.csv").open("w", newline="") as train_file,
        (folder / "sample_submission.csv").open("w", newline="") as test_file,
    ):
        masks = csv.writer(train_file, lineterminator="\n")
        masks.writerow(["ImageId", "ClassId", "EncodedPixels"])
        for shot, labels in _write_images(folder / "train_images", train, seed):
            for class_id in sorted(set(np.unique(labels).tolist()) - {0}):
                masks.writerow([shot.name, class_id, rle.encode(labels == class_id)])
            progress.update()
        filler = csv.writer(test_file, lineterminator="\n")
        filler.writerow(["ImageId", "EncodedPixels", "ClassId"])
        for shot, _ in _write_images(folder / "test_images", test, seed):
            filler.writerow([shot.name, f"1 {HEIGHT * WIDTH}", 0])
            progress.update()


def plan(images: int, split: int, seed: int) -> list[Shot]:
    """Decide what each image of a split shows, in the order of the file names.

    Classes are assigned by fixed shares, not drawn at random, so that a small sample has its rare classes too.
    """
    rng = np.random.default_rng((seed, split, 0, _PLAN))
    strips = images - round(images * _DUPLICATES)
    shown = [list(_SHARES)[number] for number in rng.permutation(_deal(strips))]
    sources = list(range(strips)) + rng.permutation(strips)[: images - strips].tolist()
    shots = [Shot(_name(seed, split, index), split, index, scene, shown[scene]) for index, scene in enumerate(sources)]
    return sorted(shots, key=lambda shot: shot.name)


def draw(shot: Shot, seed: int) -> tuple[UInt8, UInt8]:
    """Draw one image.

    Returns:
        Grey levels and labels, both uint8 of shape (256, 1600); a label is 0 for the background or a class.
    """
    grey, defects = _paint(shot.classes, np.random.default_rng((seed, shot.split, shot.scene, _SCENE)))
    rng = np.random.default_rng((seed, shot.split, shot.index, _PHOTO))
    top, left = rng.integers(_BORDER - _SHIFT, _BORDER + _SHIFT + 1, 2)
    window = np.s_[top : top + HEIGHT, left : left + WIDTH]
    focus = rng.uniform(0, 0.65)
    exposed = cv2.GaussianBlur(grey, (0, 0), focus)[window] if focus > _SHARP else grey[window].copy()
    exposed *= rng.uniform(0.9, 1.1)
    exposed += rng.standard_normal(exposed.shape, dtype=np.float32) * (0.8 + 0.014 * exposed)
    return np.clip(np.round(exposed), 0, 255).astype(np.uint8), _annotate(defects[window], rng)


def encode(grey: UInt8) -> bytes:
    """Grey levels, uint8 of shape (height, width), as a JPEG file of three equal channels."""
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes()


def _write_images(folder: Path, shots: list[Shot], seed: int) -> Iterator[tuple[Shot, UInt8]]:
    folder.mkdir()

    def written(shot: Shot) -> tuple[Shot, UInt8]:
        grey, labels = draw(shot, seed)
        (folder / shot.name).write_bytes(encode(grey))
        return shot, labels

    yield from parallel.in_order(written, shots)


def _deal(images: int) -> list[int]:
    """Numbers of class sets in `_SHARES`, each as often as its share of the images, by largest remainders."""
    wanted = np.array(list(_SHARES.values())) * images
    counts = wanted.astype(np.int64)
    rest = np.argsort(counts - wanted, kind="stable")[: images - counts.sum()]
    counts[rest] += 1
    return np.repeat(np.arange(len(counts)), counts).tolist()


def _name(seed: int, split: int, index: int) -> str:
    return hashlib.sha256(f"{seed} {split} {index}".encode()).hexdigest()[:9] + ".jpg"


def _paint(classes: tuple[int, ...], rng: np.random.Generator) -> tuple[Float32, UInt8]:
    """A strip with its defects: grey levels and labels, with `_BORDER` more pixels on every side of the photograph."""
    strip = surface.strip(rng, (HEIGHT + 2 * _BORDER, WIDTH + 2 * _BORDER))
    grey, labels = strip.grey, np.zeros(strip.grey.shape, np.uint8)
    for class_id in classes:
        for _ in range(1 + rng.choice(len(_PATCHES[class_id]), p=_PATCHES[class_id])):
            _damage(rng, grey, labels, class_id, (strip.left, strip.right))
    return grey * strip.light + 3 * (1 - strip.light), labels


def _damage(rng: np.random.Generator, grey: Float32, labels: UInt8, class_id: int, columns: tuple[int, int]) -> None:
    """Draw one defect into `grey` and `labels`, or none if the strip is crowded.

    It lies between the columns, does not touch another defect, and at most half of it is above or below the image.
    """
    rows = labels.shape[0]
    patch = DRAWERS[class_id](rng, (rows, columns[1] - columns[0]))
    height, width = patch.extent.shape
    over = height // 3 if height < 0.9 * rows else 0
    for _ in range(60):
        top = int(rng.integers(-over, rows - height + over + 1))
        left = int(rng.integers(columns[0], columns[1] - width + 1))
        window = np.s_[max(top, 0) : min(top + height, rows), left : left + width]
        seen = slice(window[0].start - top, window[0].stop - top)
        extent = patch.extent[seen]
        if 2 * extent.sum() >= patch.extent.sum() and not (labels[window][extent]).any():
            grey[window] = patch.lay(grey[window], seen)
            labels[window][extent] = class_id
            return


def _annotate(defects: UInt8, rng: np.random.Generator) -> UInt8:
    """Outline the defects as annotators do: few straight strokes, slightly outside the defect, without overlaps."""
    labels = np.zeros_like(defects)
    for class_id in CLASSES:
        reach = 2 * _MARGIN[class_id] + 1
        around = cv2.dilate((defects == class_id).astype(np.uint8), np.ones((reach, reach), np.uint8))
        outlines, _ = cv2.findContours(around, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        drawn = np.zeros_like(labels)
        for outline in outlines:
            corners = cv2.approxPolyDP(outline, rng.uniform(2, 6), True)
            cv2.fillPoly(drawn, [corners + rng.integers(-2, 3, corners.shape, dtype=np.int32)], 1)
        labels[(drawn == 1) & (labels == 0)] = class_id
    return labels
