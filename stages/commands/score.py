"""Score a submission against true masks.

    python -m stages score data/submission.csv steel.test-masks.csv
    python -m stages score submission.csv train.csv --height 200 --width 200 --classes inclusion patches scratches

Both files are written as `competition:` in params.yaml says, and scored by its metric; without params.yaml, as
Severstal's and by mean Dice. Size and classes come from there, too, unless they are given. The images are those of the
submission. True masks in the form ImageId_ClassId,EncodedPixels, with a row for every image and class, must have the
same images.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from stages.dataset import images, label_maps, rle, sample_submission, submission, tables
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.images import Size
from stages.dataset.layout import Layout, Metric
from stages.pipeline import paths, settings
from stages.pipeline.arrays import Int64, UInt8
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar
from stages.scoring import metric
from stages.scoring.dice import all_empty_mean_dice, mean_defined, mean_dice, positive_dice

Masks = dict[str, dict[int, list[str]]]  # run lengths by image and ClassId, of classes that have a mask


def score(sent: Path, truth: Path, sizes: ImageSizes) -> str:
    """The figures of a submission as text.

    Args:
        sent: the submission.
        truth: true masks, in either form of train.csv.
        sizes: of the images, and how the tables are written.

    Raises:
        UserError: a file is not valid, or the submission lacks an image that has true masks.
    """
    predicted = predictions(sent, sizes)
    true = true_masks(truth, sizes)
    lacking = sorted(true.keys() - predicted.keys())
    if lacking:
        raise UserError(
            f"{sent}: expected every image that {truth} names, found {len(lacking)} missing, such as {lacking[0]}"
        )
    unknown = sorted(predicted.keys() - true.keys())
    if unknown and tables.header(truth, sizes.layout).pairs:
        raise UserError(f"{truth}: expected every image of {sent}, found {len(unknown)} missing, such as {unknown[0]}")
    layout = sizes.layout
    return summary(
        *count(predicted, true, sizes), ("any class",) if layout.metric.joined else layout.classes, layout.metric
    )


def predictions(path: Path, sizes: ImageSizes) -> Masks:
    """Read and check a submission.

    Raises:
        UserError: as for `submission.check`, or the rows of one image are in two places.
    """
    layout = sizes.layout
    itself = sample_submission.of_itself(path, layout)
    found: Masks = {}
    rows_of_all = tables.read(path, layout, filler=True, sent=True)
    for image, group in groupby(rows_of_all, key=lambda row: row.image):
        rows = list(group)
        if image in found:
            raise UserError(f"{path}: expected the rows of one image one after the other, found {image} in two places")
        if itself.kind == "classes" and len(rows) < layout.number_of_classes:
            raise UserError(
                f"{path}: {image}: expected a row for each of {layout.number_of_classes} classes (--classes, or "
                f"competition.classes in params.yaml), found {len(rows)}"
            )
        filled = [row for row in rows if row.class_id and not sample_submission.is_empty(row.runs, layout)]
        found[image] = {
            class_id: [row.runs for row in filled if row.class_id == class_id]
            for class_id in {row.class_id for row in filled}
        }
    if not found:
        raise UserError(f"{path}: expected a row for every test image, found none")
    submission.check(path, replace(itself, images=list(found), rows=[[] for _ in found]), "sample", sizes.scored)
    return found


def true_masks(path: Path, sizes: ImageSizes) -> Masks:
    """Read and check true masks.

    Raises:
        UserError: a table or run lengths that are invalid, or two rows of one image and class.
    """
    found: Masks = {}
    seen: set[tuple[str, int]] = set()
    layout = sizes.layout
    for row in tables.read(path, layout):
        where = f"{path}, line {row.line}: {row.image}, class {row.class_id}"
        if (row.image, row.class_id) in seen and not layout.columns.instances:
            raise UserError(f"{where}: expected one row, found another")
        seen.add((row.image, row.class_id))
        try:
            rle.parse(row.runs, *sizes.of(row.image), layout.run_lengths)
        except rle.RunLengthError as error:
            raise UserError(f"{where}: {error}") from None
        of_image = found.setdefault(row.image, {})
        if not rle.is_empty(row.runs, layout.run_lengths):
            of_image.setdefault(row.class_id, []).append(row.runs)
    return found


def count(predicted: Masks, true: Masks, sizes: ImageSizes) -> tuple[Int64, Int64, Int64]:
    """Pixels in both masks, in the true mask and in the predicted mask, each int64 (images, classes)."""
    layout = sizes.layout
    joined = layout.metric.joined  # rows name no class: all masks of an image are one
    pairs = 1 if joined else layout.number_of_classes
    both, drawn, found = (np.zeros((len(predicted), pairs), np.int64) for _ in range(3))
    for position, image in enumerate(bar(predicted, "score: images")):
        native, scored = sizes.of(image), sizes.scored(image)
        for number in range(1, pairs + 1):
            chosen = layout.class_ids if joined else (number,)
            sent = _joined(_of(predicted[image], chosen), scored, layout)
            right = label_maps.resized(_joined(_of(true.get(image, {}), chosen), native, layout), scored)
            place = position, number - 1
            both[place], drawn[place], found[place] = (right & sent).sum(), right.sum(), sent.sum()
    return both, drawn, found


def _of(masks: dict[int, list[str]], class_ids: Iterable[int]) -> list[str]:
    return [runs for class_id in class_ids for runs in masks.get(class_id, [])]


def _joined(masks: list[str], size: Size, layout: Layout) -> UInt8:
    """The union of some masks, uint8 (height, width), 1 inside."""
    joined = np.zeros(size, np.uint8)
    for runs in masks:
        joined |= rle.decode(runs, *size, layout.run_lengths).view(np.uint8)
    return joined


def summary(both: Int64, true: Int64, predicted: Int64, names: Sequence[str], named: Metric) -> str:
    """The figures as lines, the score by the metric that is named first. The counts are those that `count` returns."""
    of_class = positive_dice(both, true, predicted)
    usual = named == Metric("mean_dice")
    other = [
        (metric.title(named), metric.score(named, both, true, predicted), ""),
        ("  … of predicting nothing", metric.score_of_nothing(named, true), ""),
    ]
    rows = [
        *([] if usual else other),
        ("mean Dice (the score)" if usual else "mean Dice", mean_dice(both, true, predicted), ""),
        ("  … of predicting nothing", all_empty_mean_dice(true), ""),
        ("Dice where there is a mask", mean_defined(of_class), ""),
        *(
            (f"  {name}", dice, f"{int((true[:, index] > 0).sum()):>8} images")
            for index, (name, dice) in enumerate(zip(names, of_class, strict=True))
        ),
    ]
    width = max(28, *(len(title) + 1 for title, _, _ in rows))
    lines = [
        f"{title:{width}}{'undefined' if value is None else f'{value:.4f}':>10}{note}" for title, value, note in rows
    ]
    return "\n".join([f"score: {len(true)} images, {true.size} pairs of image and class", *lines])


def with_classes(stated: Layout, classes: tuple[str, ...]) -> Layout:
    """The layout of params.yaml for classes of other names, and all that follows from their number.

    Raises:
        UserError: the layout states labels or a metric for another number of classes.
    """
    labels, count = stated.columns.class_labels, len(classes)
    if labels is not None and len(labels) != count:
        raise UserError(
            f"--classes: expected {len(labels)} names, one for each of competition.columns.class_labels "
            f"({', '.join(labels)}), found {count}"
        )
    if stated.metric.name == "iou_thresholds" and count > 1:
        raise UserError(f"--classes: expected one name with competition.metric: iou_thresholds, found {count}")
    joined = stated.submission.rows in sample_submission.NAMELESS and count > 1
    return replace(stated, classes=classes, metric=replace(stated.metric, joined=joined))


def _score(given: argparse.Namespace) -> str:
    names, height, width = given.classes, given.height, given.width
    layout = Layout(tuple(names or ()), height or 0, width or 0)
    if paths.PARAMS.exists() or None in (names, height, width):
        stated = Layout.of(settings.load().competition)
        layout = with_classes(stated, layout.classes or stated.classes)
        if height or width:
            layout = _of_size(layout, height or stated.height, width or stated.width)
    sizes = ImageSizes(paths.TEST_IMAGES, ImageNames(images.listing(paths.TEST_IMAGES)), layout)
    return score(given.submission, given.truth, sizes)


def _of_size(stated: Layout, height: int, width: int) -> Layout:
    """The layout of params.yaml for masks that all have this size, in both tables."""
    own = replace(stated.submission, height=None, width=None)
    return replace(stated, height=height, width=width, images=replace(stated.images, sizes="equal"), submission=own)


def _pixels(text: str) -> int:
    pixels = int(text)
    if not 0 < pixels <= 2**15:
        raise argparse.ArgumentTypeError(f"expected 1 … {2**15} pixels, found {text}")
    return pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("submission", type=Path, metavar="SUBMISSION", help="a submission of either form")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="true masks in the layout of train.csv")
    parser.add_argument("--height", type=_pixels, metavar="PIXELS", help="of every mask (default: params.yaml)")
    parser.add_argument("--width", type=_pixels, metavar="PIXELS", help="of every mask (default: params.yaml)")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="class 1 first (default: params.yaml)")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    print(_score(given))
