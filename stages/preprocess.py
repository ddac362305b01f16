"""Check the training images and masks, make folds, and store both in the form that training reads fast.

Reads data/raw; writes data/prepared and metrics/preprocess.json.
"""

import hashlib
import json
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages import command, outputs, paths, settings
from stages.command import UserError
from stages.competition import checks, duplicates, folds, images, rle, submission
from stages.competition.prepared import IMAGES, INDEX, LABELS, SUMMARY, Stack

PixelCounts = npt.NDArray[np.int64]

BLOCK = 16  # images that a worker takes at a time


class Measured(NamedTuple):
    """What is known of the images once they are stored.

    Attributes:
        pixels: pixels of each class, int64 (images, classes).
        signatures: float32 (images, duplicates.SIZE).
        digest: SHA-256 of the SHA-256 of each image, which is that of its file and, with a mask, of its label map.
    """

    pixels: PixelCounts
    signatures: npt.NDArray[np.float32]
    digest: "hashlib._Hash"


def preprocess() -> None:
    """Run the stage."""
    options = settings.load()
    names = _images(options)
    with outputs.folder(paths.PREPARED) as folder:
        size = (len(names), options.competition.image_height, options.competition.image_width)
        photographs, labels = Stack.create(folder / IMAGES, *size), Stack.create(folder / LABELS, *size)
        faults, of_masks = checks.Faults(), checks.Faults()
        conflicts, drawn = _store_labels(names, labels, options, of_masks)
        pixels, signatures, digest = _store_images(
            names, (photographs, labels), drawn, len(options.competition.classes), faults
        )
        faults.extend(of_masks)
        faults.raise_if_any()
        groups = duplicates.groups(signatures, options.preprocess.duplicate_correlation)
        fold = _folds(pixels, groups, options)
        header = ["image", "fold", "group", *(f"pixels_{name}" for name in options.competition.classes)]
        table = np.column_stack([fold, groups, pixels]).tolist()
        rows = [(name, *numbers) for name, numbers in zip(names, table, strict=True)]
        outputs.write_table(folder / INDEX, header, rows)
        digest.update(repr(rows).encode())
        summary = {
            "classes": options.competition.classes,
            "folds": options.preprocess.folds,
            "digest": digest.hexdigest(),
        }
        (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        photographs.close()
        labels.close()
    _report(fold, groups, pixels, conflicts, options)


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
    sample = submission.template(paths.SAMPLE_SUBMISSION, len(options.competition.classes))
    there = {entry.name for entry in paths.TEST_IMAGES.iterdir()}
    missing = [image for image in sample.images if image not in there]
    if missing:
        raise UserError(
            f"{paths.SAMPLE_SUBMISSION}: expected images of {paths.TEST_IMAGES}, found {len(missing)} of "
            f"{len(sample.images)} that are not there, such as {missing[0]}{checks.alike(missing[0], there)}"
        )


def _store_labels(
    names: list[str], stack: Stack, options: settings.Settings, faults: checks.Faults
) -> tuple[int, set[int]]:
    """Draw every mask into the stack.

    Returns:
        How many pixels two classes claim (the higher ClassId gets them), and the positions that have a mask.
    """
    positions = {name: position for position, name in enumerate(names)}
    classes = len(options.competition.classes)
    conflicts, drawn = 0, set[int]()
    rows = checks.masks(paths.TRAIN_TABLE, set(positions), classes, stack.height, stack.width, faults)
    for row in tqdm(rows, "preprocess: masks", unit=" masks", disable=None):
        columns = rle.decode(row.runs, stack.height, stack.width).T.view(np.uint8)
        mask = np.asarray(cv2.transpose(columns), np.uint8)  # row by row, as labels are
        labels, position = mask * np.uint8(row.class_id), positions[row.image]
        if position in drawn:
            before = stack[position]
            conflicts += int(np.count_nonzero((before > 0) & (mask > 0)))
            labels = np.maximum(before, labels)
        stack[position] = labels
        drawn.add(position)
    return conflicts, drawn


def _store_images(
    names: list[str], stacks: tuple[Stack, Stack], drawn: set[int], classes: int, faults: checks.Faults
) -> Measured:
    """Decode every image into the first stack, and measure both, of which the second is whole, as they fill."""
    photographs, labels = stacks
    digests = [b""] * len(names)
    pixels = np.zeros((len(names), classes), np.int64)
    signatures = np.zeros((len(names), duplicates.SIZE), np.float32)

    def store(block: range) -> list[str]:
        textures, positions, told = [], [], []
        for position in block:
            file = paths.TRAIN_IMAGES / names[position]
            try:
                image = images.read(file, photographs.height, photographs.width)
            except images.ImageError as error:
                told.append(str(error))
                continue
            photographs[position] = image
            digest = hashlib.sha256(file.read_bytes())  # a fourth of the bytes of its pixels
            if position in drawn:
                label_map = labels[position]
                pixels[position] = [np.count_nonzero(label_map == class_id) for class_id in range(1, classes + 1)]
                if pixels[position].any():
                    digest.update(label_map.data)
            digests[position] = digest.digest()
            textures.append(duplicates.texture(image))
            positions.append(position)
        if textures:
            signatures[positions] = duplicates.signatures(textures)
        return told

    blocks = [range(start, min(start + BLOCK, len(names))) for start in range(0, len(names), BLOCK)]
    # One thread a worker: NumPy's own threads would wait for one another, and burn ten times the time meanwhile.
    with (
        threadpool_limits(1, "blas"),
        tqdm(None, "preprocess: images", len(names), unit=" images", disable=None) as bar,
    ):
        for block, told in zip(blocks, images.in_parallel(store, blocks), strict=True):
            for fault in told:
                faults.add(fault)
            bar.update(len(block))
    return Measured(pixels, signatures, hashlib.sha256(b"".join(digests)))


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
    fold: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    pixels: PixelCounts,
    conflicts: int,
    options: settings.Settings,
) -> None:
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
    command.run(preprocess, __doc__)
