"""A data set of the competition's size in minutes: a few hundred strips of the built-in sample, each used many times.

    python -m tests.benchmarks.large_set FOLDER --images 12568 --test-images 5506

Every image is a strip that is shifted along both axes, mirrored, made brighter or darker, and given noise of its own;
its masks move with it. Two images of one strip are shifted by different amounts, so they are no near-duplicates.
Classes are as frequent as in the competition's training set. The data is for measuring time, memory and disk; what a
network learns from it means nothing.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from stages.dataset import rle
from stages.pipeline import parallel
from stages.pipeline.arrays import UInt8
from stages.synthetic import generate

# Images of the competition's training set by the classes in them; 12,568 and, by class, 897, 247, 5,150 and 801. Rare
# combinations, of one or two images, are left out.
FREQUENCY: dict[tuple[int, ...], int] = {
    (): 5901,
    (3,): 4759,
    (1,): 767,
    (4,): 517,
    (2,): 196,
    (3, 4): 284,
    (1, 3): 93,
    (1, 2): 37,
    (2, 3): 14,
}
STRIPS = 300
_LEAST = 8  # strips of each combination
_SEED = 1


@dataclass(frozen=True)
class Variant:
    """One image to write.

    Attributes:
        name: its file name.
        strip: number of its strip.
        number: seed of its random numbers.
    """

    name: str
    strip: int
    number: int


def draw(folder: Path, train_images: int, test_images: int, strips: int = STRIPS) -> None:
    """Write a data set in the competition's layout; the same arguments give the same pixels on one machine.

    Args:
        folder: must not exist yet.
        train_images, test_images: how many of each, at least 1.
        strips: how many different ones to draw; all are kept in memory, 0.8 MB each.
    """
    folder.mkdir(parents=True)
    kinds = _kinds(strips)
    surfaces = list(tqdm(parallel.in_order(_strip, enumerate(kinds)), "strips", strips, disable=None))
    plan = _plan(kinds, train_images + test_images)
    with (folder / "train.csv").open("w", newline="") as file:
        masks = csv.writer(file, lineterminator="\n")
        masks.writerow(["ImageId", "ClassId", "EncodedPixels"])
        for variant, runs in _write(folder / "train_images", plan[:train_images], surfaces):
            masks.writerows([variant.name, class_id, mask] for class_id, mask in runs)
    with (folder / "sample_submission.csv").open("w", newline="") as file:
        filler = csv.writer(file, lineterminator="\n")
        filler.writerow(["ImageId", "EncodedPixels", "ClassId"])
        for variant, _ in _write(folder / "test_images", plan[train_images:], surfaces):
            filler.writerow([variant.name, f"1 {generate.HEIGHT * generate.WIDTH}", 0])


def vary(grey: UInt8, labels: UInt8, rng: np.random.Generator) -> tuple[UInt8, UInt8]:
    """Another image of a strip: grey levels and labels, uint8 (height, width), shifted, mirrored and exposed anew."""
    shift = int(rng.integers(grey.shape[0])), int(rng.integers(grey.shape[1]))
    mirrored = np.s_[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    grey, labels = (np.roll(plane[mirrored], shift, (0, 1)) for plane in (grey, labels))
    noise = rng.standard_normal(grey.shape, dtype=np.float32)
    exposed = grey * np.float32(rng.uniform(0.85, 1.15)) + np.float32(rng.uniform(0.5, 2)) * noise
    return np.clip(np.rint(exposed), 0, 255).astype(np.uint8), labels


def _kinds(strips: int) -> list[tuple[int, ...]]:
    """Which classes each strip shows: some strips for every combination, more for the frequent ones."""
    share = np.array(list(FREQUENCY.values())) / sum(FREQUENCY.values())
    free = max(0, strips - _LEAST * len(share))
    counts = np.floor(share * free).astype(int) + min(_LEAST, strips // len(share))
    counts[0] += strips - counts.sum()
    return [kind for kind, count in zip(FREQUENCY, counts, strict=True) for _ in range(count)]


def _plan(kinds: list[tuple[int, ...]], count: int) -> list[Variant]:
    """The strip of each image, so that combinations of classes are as frequent as in `FREQUENCY`."""
    rng = np.random.default_rng(_SEED)
    members = {kind: [number for number, other in enumerate(kinds) if other == kind] for kind in FREQUENCY}
    dealt = np.repeat(np.arange(len(FREQUENCY)), list(FREQUENCY.values()))
    order = rng.permutation(np.resize(rng.permutation(dealt), count))
    names = list(FREQUENCY)
    strips = [int(rng.choice(members[names[kind]])) for kind in order]
    return [Variant(_name(number), strip, number) for number, strip in enumerate(strips)]


def _name(number: int) -> str:
    return hashlib.sha256(f"large {number}".encode()).hexdigest()[:9] + ".jpg"


def _strip(numbered: tuple[int, tuple[int, ...]]) -> tuple[UInt8, UInt8]:
    number, classes = numbered
    return generate.draw(generate.Shot("", 0, number, number, classes), _SEED)


def _write(
    folder: Path, plan: list[Variant], surfaces: list[tuple[UInt8, UInt8]]
) -> Iterator[tuple[Variant, list[tuple[int, str]]]]:
    """Write images; yields each with its masks as ClassId and run lengths."""
    folder.mkdir()

    def write(variant: Variant) -> tuple[Variant, list[tuple[int, str]]]:
        grey, labels = vary(*surfaces[variant.strip], np.random.default_rng((_SEED, variant.number)))
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
        (folder / variant.name).write_bytes(jpeg.tobytes())
        there = [class_id for class_id in generate.CLASSES if (labels == class_id).any()]
        return variant, [(class_id, rle.encode(labels == class_id)) for class_id in there]

    yield from tqdm(parallel.in_order(write, plan), folder.name, len(plan), unit=" images", disable=None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=12_568)
    parser.add_argument("--test-images", type=int, default=5_506)
    options = parser.parse_args()
    draw(options.folder, options.images, options.test_images)
