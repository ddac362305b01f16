"""Check the training images and masks, make folds, and store both in the form that training reads fast.

Reads data/raw; writes data/prepared and metrics/preprocess.json.
"""

import hashlib
import json
import os
import tempfile
from contextlib import closing
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.dataset import duplicates, folds, images, rle, submission, tables, validation
from stages.dataset.layout import Layout
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SUMMARY, ImageStore
from stages.pipeline import cli, outputs, parallel, paths, settings
from stages.pipeline.cli import UserError

PixelCounts = npt.NDArray[np.int64]

BLOCK = 32  # images that a worker takes at a time: their signatures are one product


class Measured(NamedTuple):
    """What is known of the images once they are stored.

    Attributes:
        pixels: pixels of each class, int64 (images, classes).
        conflicts: how often a pixel is claimed by one more class than the first.
        signatures: float32 (images, duplicates.SIZE).
        digest: SHA-256 of the SHA-256 of each image, which is that of its file and of its masks as run lengths.
    """

    pixels: PixelCounts
    conflicts: int
    signatures: npt.NDArray[np.float32]
    digest: "hashlib._Hash"


def preprocess() -> None:
    """Run the stage."""
    options = settings.load()
    names = _images(options)
    with outputs.folder(paths.PREPARED) as folder:
        size = Layout.of(options.competition).size
        stacks = (
            ImageStore.create(folder / IMAGES, len(names), *size),
            ImageStore.create(folder / LABELS, len(names), *size),
        )
        with tempfile.TemporaryFile(dir=folder) as texts:
            measured = _store(names, _masks(names, texts, options), stacks, options)
        pixels = measured.pixels
        groups = duplicates.groups(measured.signatures, options.preprocess.duplicate_correlation)
        fold = _folds(pixels, groups, options)
        header = ["image", "fold", "group", *(f"pixels_{name}" for name in options.competition.classes)]
        table = np.column_stack([fold, groups, pixels]).tolist()
        rows = [(name, *numbers) for name, numbers in zip(names, table, strict=True)]
        outputs.write_table(folder / INDEX, header, rows)
        measured.digest.update(repr(rows).encode())
        summary = {
            "classes": options.competition.classes,
            "folds": options.preprocess.folds,
            "digest": measured.digest.hexdigest(),
        }
        (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        for stack in stacks:
            stack.close()
    _report(fold, groups, measured, options)


def _images(options: settings.Settings) -> list[str]:
    """Names of the training images, sorted."""
    for needed in (paths.TRAIN_TABLE, paths.TRAIN_IMAGES, paths.TEST_IMAGES, paths.SAMPLE_SUBMISSION):
        if not needed.exists():
            raise UserError(
                f"{needed}: expected the whole layout of the competition (train_images, test_images, train.csv, "
                "sample_submission.csv), found none. A lone train.csv can be explored (dvc repro explore) and no more: "
                "set download.source in params.yaml to an archive or a folder with all four"
            )
    names = images.listing(paths.TRAIN_IMAGES)
    if len(names) < options.preprocess.folds:
        raise UserError(
            f"{paths.TRAIN_IMAGES}: expected at least as many images as preprocess.folds = {options.preprocess.folds}, "
            f"found {len(names)} whose name ends in {', '.join(images.SUFFIXES)}"
        )
    _check_sample(options)
    return names


def _check_sample(options: settings.Settings) -> None:
    """Hold the sample submission against the test images: better told now than after the training."""
    sample = submission.template(paths.SAMPLE_SUBMISSION, Layout.of(options.competition))
    there = {entry.name for entry in paths.TEST_IMAGES.iterdir()}
    missing = [image for image in sample.images if image not in there]
    if missing:
        raise UserError(
            f"{paths.SAMPLE_SUBMISSION}: expected images of {paths.TEST_IMAGES}, found {len(missing)} of "
            f"{len(sample.images)} that are not there, such as {missing[0]}{validation.alike(missing[0], there)}"
        )


class Masks:
    """Masks of the training table by the position of their image; their run lengths wait in a file, not in memory."""

    def __init__(self, texts: BinaryIO) -> None:
        self.faults = validation.Faults()
        self._texts = texts
        self._places: dict[int, list[tuple[int, int, int]]] = {}  # ClassId, offset, bytes

    def add(self, position: int, row: tables.Row) -> None:
        """Keep one; `flush` before the first `of`."""
        raw = row.runs.encode()
        self._places.setdefault(position, []).append((row.class_id, self._texts.tell(), len(raw)))
        self._texts.write(raw)

    def flush(self) -> None:
        """Hand all of them to the file."""
        self._texts.flush()

    def of(self, position: int) -> list[tuple[int, str]]:
        """ClassId and run lengths of each mask of an image, by ClassId. Safe to use from several threads."""
        places = sorted(self._places.get(position, []))
        return [(number, os.pread(self._texts.fileno(), size, offset).decode()) for number, offset, size in places]


def _masks(names: list[str], texts: BinaryIO, options: settings.Settings) -> Masks:
    """Read the training table; what is wrong with its rows is noted, and those are left out."""
    masks = Masks(texts)
    positions = {name: position for position, name in enumerate(names)}
    rows = validation.masks(paths.TRAIN_TABLE, set(positions), Layout.of(options.competition), masks.faults)
    for row in tqdm(rows, "preprocess: masks", unit=" masks", disable=None):
        masks.add(positions[row.image], row)
    masks.flush()
    return masks


def _store(
    names: list[str], masks: Masks, stacks: tuple[ImageStore, ImageStore], options: settings.Settings
) -> Measured:
    """Decode every image into the first stack, draw its masks into the second, and measure both meanwhile.

    Raises:
        UserError: images or masks have faults; it names them, those of images first.
    """
    photographs, labels = stacks
    faults, digests = validation.Faults(), [b""] * len(names)
    pixels = np.zeros((len(names), len(options.competition.classes)), np.int64)
    conflicts = np.zeros(len(names), np.int64)
    signatures = np.zeros((len(names), duplicates.SIZE), np.float32)

    def store(position: int) -> npt.NDArray[np.float32]:
        """Store an image and its masks; gives its texture."""
        file = paths.TRAIN_IMAGES / names[position]
        raw = images.contents(file, photographs.height, photographs.width)
        image = images.decode(raw, file, photographs.height, photographs.width)
        photographs[position] = image
        digest = hashlib.sha256(raw)  # a fourth of the bytes of its pixels
        if drawn := masks.of(position):
            label_map = rle.label_map(drawn, labels.height, labels.width)
            labels[position] = label_map
            for class_id, runs in drawn:
                pixels[position, class_id - 1] = np.count_nonzero(label_map == class_id)
                conflicts[position] += rle.parse(runs, labels.height, labels.width)[1].sum()
                digest.update(f"\n{class_id} {runs}".encode())
            conflicts[position] -= pixels[position].sum()
        digests[position] = digest.digest()
        return duplicates.texture(image)

    def store_block(block: range) -> validation.Faults:
        """Store some images and their signatures; gives what is wrong with them."""
        textures: dict[int, npt.NDArray[np.float32]] = {}
        found = validation.Faults()
        for position in block:
            try:
                textures[position] = store(position)
            except images.ImageError as error:
                found.add(str(error))
        if textures:
            signatures[list(textures)] = duplicates.signatures(list(textures.values()))
        return found

    blocks = [range(len(names))[start : start + BLOCK] for start in range(0, len(names), BLOCK)]
    # One thread a product: more would wait for the other workers, and burn twice the time meanwhile.
    with (
        threadpool_limits(1, "blas"),
        closing(parallel.in_order(store_block, blocks)) as results,
        tqdm(total=len(names), desc="preprocess: images", unit=" images", disable=None) as progress,
    ):
        for block, found in zip(blocks, results, strict=True):
            faults.extend(found)
            progress.update(len(block))
    faults.extend(masks.faults)
    faults.raise_if_any()
    return Measured(pixels, int(conflicts.sum()), signatures, hashlib.sha256(b"".join(digests)))


def _folds(pixels: PixelCounts, groups: npt.NDArray[np.int64], options: settings.Settings) -> npt.NDArray[np.int64]:
    found, wanted = int(groups.max()) + 1, options.preprocess.folds
    if found < wanted:
        raise UserError(
            f"{paths.TRAIN_IMAGES}: expected at least preprocess.folds = {wanted} groups of near-duplicates, "
            f"found {found} among {len(groups)} images (preprocess.duplicate_correlation says what a near-duplicate is)"
        )
    fold = folds.assign(pixels, groups, wanted, options.seed)
    for number, name in enumerate(options.competition.classes):
        lacking = [str(k) for k in range(wanted) if not (pixels[fold == k, number] > 0).any()]
        if lacking:
            print(f"preprocess: {name} does not occur in fold {', '.join(lacking)}: its figures there are undefined")
    return fold


def _report(
    fold: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], measured: Measured, options: settings.Settings
) -> None:
    pixels, conflicts = measured.pixels, measured.conflicts
    names, held_out = options.competition.classes, options.preprocess.folds - 1
    area = len(fold) * options.competition.image_height * options.competition.image_width
    outputs.write_metrics(
        paths.PREPROCESS_METRICS,
        {
            "images": len(fold),
            "clean_images": int((pixels.sum(axis=1) == 0).sum()),
            "near_duplicates": len(groups) - len(np.unique(groups)),
            "pixels_claimed_twice": conflicts,
            "pixel_share": {name: pixels[:, k].sum() / area for k, name in enumerate(names)},
            "folds": {
                f"fold_{number}": {
                    "images": int((fold == number).sum()),
                    "classes": {name: int((pixels[fold == number, k] > 0).sum()) for k, name in enumerate(names)},
                }
                for number in range(options.preprocess.folds)
            },
        },
    )
    print(f"preprocess: {len(fold)} images in {options.preprocess.folds} folds, fold {held_out} held out")
    print(f"preprocess: {len(groups) - len(np.unique(groups))} near-duplicates kept in the fold of their originals")
    if conflicts:
        print(f"preprocess: {conflicts} pixels are claimed by two classes: the higher ClassId gets them")


if __name__ == "__main__":
    cli.run(preprocess, __doc__)
