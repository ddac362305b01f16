"""Score a submission against true masks.

    python -m stages score data/submission.csv steel.test-masks.csv
    python -m stages score submission.csv train.csv --height 200 --width 200 --classes inclusion patches scratches

Both files may have either form of the competition's tables. Size and classes come from params.yaml unless they are
given, and with them the metric; without params.yaml it is mean Dice. The images are those of the submission. True masks
in the form ImageId_ClassId,EncodedPixels, which has a row for every image and class, must have the same images.
"""

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from tqdm import tqdm

from stages.dataset import rle, submission, tables
from stages.dataset.layout import Layout, Metric
from stages.pipeline import settings
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError
from stages.scoring import metric
from stages.scoring.dice import all_empty_mean_dice, mean_defined, mean_dice, positive_dice

Masks = dict[str, dict[int, str]]  # run lengths by image and ClassId, of classes that have a mask


def score(sent: Path, truth: Path, layout: Layout) -> str:
    """The figures of a submission as text.

    Args:
        sent: the submission.
        truth: true masks, in either form of train.csv.
        layout: classes and image size.

    Raises:
        UserError: a file is not valid, or the submission lacks an image that has true masks.
    """
    predicted = predictions(sent, layout)
    true = true_masks(truth, layout)
    lacking = sorted(true.keys() - predicted.keys())
    if lacking:
        raise UserError(
            f"{sent}: expected every image that {truth} names, found {len(lacking)} missing, such as {lacking[0]}"
        )
    unknown = sorted(predicted.keys() - true.keys())
    if unknown and len(tables.header(truth)) == 2:
        raise UserError(f"{truth}: expected every image of {sent}, found {len(unknown)} missing, such as {unknown[0]}")
    return summary(*count(predicted, true, layout), layout.classes, layout.metric)


def predictions(path: Path, layout: Layout) -> Masks:
    """Read and check a submission of either form.

    Raises:
        UserError: as for `submission.check`, or the rows of one image are in two places.
    """
    grouped = groupby(tables.read(path, layout, filler=True), key=lambda row: row.image)
    found: Masks = {}
    pairs = len(tables.header(path)) == 2
    for image, group in grouped:
        rows = list(group)
        if image in found:
            raise UserError(f"{path}: expected the rows of one image one after the other, found {image} in two places")
        if pairs and len(rows) < layout.number_of_classes:
            raise UserError(
                f"{path}: {image}: expected a row for each of {layout.number_of_classes} classes (--classes, or "
                f"competition.classes in params.yaml), found {len(rows)}"
            )
        found[image] = {row.class_id: row.runs for row in rows if row.class_id and row.runs.strip()}
    if not found:
        raise UserError(f"{path}: expected a row for every test image, found none")
    itself = submission.Template(layout, tables.header(path), list(found), [])
    submission.check(path, itself, "sample")
    return found


def true_masks(path: Path, layout: Layout) -> Masks:
    """Read and check true masks.

    Raises:
        UserError: a table or run lengths that are invalid, or two rows of one image and class.
    """
    found: Masks = {}
    seen: set[tuple[str, int]] = set()
    for row in tables.read(path, layout):
        where = f"{path}, line {row.line}: {row.image}, class {row.class_id}"
        if (row.image, row.class_id) in seen:
            raise UserError(f"{where}: expected one row, found another")
        seen.add((row.image, row.class_id))
        try:
            rle.parse(row.runs, *layout.size)
        except rle.RunLengthError as error:
            raise UserError(f"{where}: {error}") from None
        found.setdefault(row.image, {}).update({row.class_id: row.runs} if row.runs.strip() else {})
    return found


def count(predicted: Masks, true: Masks, layout: Layout) -> tuple[Int64, Int64, Int64]:
    """Pixels in both masks, in the true mask and in the predicted mask, each int64 (images, classes)."""
    both, drawn, found = (np.zeros((len(predicted), layout.number_of_classes), np.int64) for _ in range(3))
    for position, image in enumerate(tqdm(predicted, "score: images", unit=" images", disable=None)):
        for number in layout.class_ids:
            right, sent = (
                rle.decode(masks.get(image, {}).get(number, ""), *layout.size) for masks in (true, predicted)
            )
            place = position, number - 1
            both[place], drawn[place], found[place] = (right & sent).sum(), right.sum(), sent.sum()
    return both, drawn, found


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
    lines = [f"{title:28}{'undefined' if value is None else f'{value:.4f}':>10}{note}" for title, value, note in rows]
    return "\n".join([f"score: {len(true)} images, {true.size} pairs of image and class", *lines])


def _score(given: argparse.Namespace) -> str:
    names, height, width = given.classes, given.height, given.width
    named = Metric("mean_dice")
    if None in (names, height, width):
        fixed = settings.load().competition
        names, height, width = names or fixed.classes, height or fixed.image_height, width or fixed.image_width
        named = Layout.of(fixed).metric
    return score(given.submission, given.truth, Layout(tuple(names), height, width, metric=named))


def _pixels(text: str) -> int:
    pixels = int(text)
    if not 0 < pixels <= 2**15:
        raise argparse.ArgumentTypeError(f"expected 1 … {2**15} pixels, found {text}")
    return pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("submission", type=Path, metavar="SUBMISSION", help="a submission of either form")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="true masks in the layout of train.csv")
    parser.add_argument("--height", type=_pixels, metavar="PIXELS", help="of every image (default: params.yaml)")
    parser.add_argument("--width", type=_pixels, metavar="PIXELS", help="of every image (default: params.yaml)")
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="class 1 first (default: params.yaml)")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    print(_score(given))
