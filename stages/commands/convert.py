"""Convert folders of one's own images and labels into a competition, and write the recipe that reads it.

    python -m stages convert steel.zip --images "Source Images" --labels "Ground truth" \\
        --class-prefixes In Pa Sc --classes inclusion patches scratches --test-share 0.2
    python -m stages convert tiles.zip --images MT --labels MT --test-share 0.2 \\
        --class-folders MT_Blowhole=blowhole MT_Crack=crack
    make RECIPE=steel.recipe.yaml

Images are JPEG, PNG, BMP or TIFF of any sizes, in one folder or in folders below it. Labels are one of:

--labels    pictures (PNG, BMP, TIFF) with the same name before the dot, in a folder of their own or beside the images.
            They hold class ids (0 background, then 1, 2, …; of a palette the index counts), one colour per class
            (--colours), or are black and white, and their class follows from --class, --class-prefixes,
            --class-suffixes (several pictures per image) or --class-folders. An all-black picture is a clean image.
--coco      a COCO file, with polygons or run lengths.
--yolo      YOLO-segmentation: a .txt per image. --classes names the classes.
--labelme   LabelMe: a .json per image.

The test images are a share of the images, chosen so that near-duplicates stay together and classes are spread evenly;
or those of --test-images, which may have labels of the same kind (--test-labels). The true masks of labelled test
images are written next to the output, as NAME.test-masks.csv, for python -m stages score. --keep EARLIER leaves the
images of an earlier output on their side, when images are added.
"""

import argparse
import shlex
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stages.dataset import (
    duplicates,
    earlier_split,
    folds,
    own_classes,
    own_competition,
    own_labels,
    own_measures,
    own_outputs,
    own_sources,
)
from stages.dataset.own_measures import OwnImage, OwnMeasures
from stages.pipeline import outputs, settings
from stages.pipeline.arrays import Bool
from stages.pipeline.cli import UserError

FINEST = 20  # a share is rounded to a fraction whose denominator is at most this


def convert(given: argparse.Namespace) -> None:
    """Read, check, split and write the data, and say which command comes next.

    Args:
        given: the command's options, see `add_arguments`.

    Raises:
        UserError: images and labels do not match, or the output would overwrite something.
    """
    if given.output is None:
        raise UserError("expected an OUTPUT first, before the options, or after --; found none")
    masks, recipe = own_outputs.beside(given.output, "test-masks.csv"), own_outputs.beside(given.output, "recipe.yaml")
    own_outputs.refuse_overwriting(given, [masks, recipe])
    found, names = _labelled(given, given.images, given.labels or given.yolo or given.labelme)
    measured = own_measures.measure(found, len(names) or None)
    names = names or own_classes.numbered(measured.pixels)
    test, held_back = _test_images(given, found, measured, names)
    train = [one for one, out in zip(found, held_back, strict=True) if not out]
    scored = masks if any(one.label for one in test) or given.test_share else None
    own_competition.write(given.output, train, test, len(names), scored)
    if given.force and scored is None:
        own_outputs.remove(masks)  # they belong to the output that was replaced
    fragment = own_competition.recipe(given.output, names, measured)
    with outputs.file(recipe) as stream:
        stream.write(f"# Own images: {given.output.name}, as convert wrote it.\n")
        yaml.safe_dump(fragment, stream, sort_keys=False, allow_unicode=True)
    print(_report(given.output, measured, held_back, len(test), names))
    if scored:
        print(f"convert: {masks}: true masks of the test images, for python -m stages score")
    print(f"convert: next: make RECIPE={shlex.quote(str(recipe))}")


def _labelled(given: argparse.Namespace, folder: Path, labels: Path | None) -> tuple[list[OwnImage], list[str]]:
    """Images with their labels, and the names of the classes; no names if they follow from the labels."""
    clean = given.unlabelled_are_clean
    if given.coco:
        found, names = own_sources.coco(folder, given.coco)
        return found, own_classes.checked(given.classes or own_classes.plain(names), len(names), "categories")
    if labels is None or not labels.is_dir():
        raise UserError(f"{labels}: expected a folder, found none (seen from {Path.cwd()})")
    if given.yolo:
        if not given.classes:
            raise UserError("--yolo: expected --classes NAME …, in the order of the numbers in the files, found none")
        names = own_classes.checked(given.classes, len(given.classes), "names")
        return own_sources.texts(folder, labels, ".txt", lambda file: own_labels.yolo(file, len(names)), clean), names
    if given.labelme:
        stated = own_labels.labelme_names(sorted(labels.rglob("*.json")))
        names = own_classes.checked(given.classes or own_classes.plain(stated), len(stated), "labels")
        class_ids = {label: number for number, label in enumerate(stated, start=1)}
        read = lambda file: own_labels.labelme(file, class_ids.__getitem__)  # noqa: E731
        return own_sources.texts(folder, labels, ".json", read, clean), names
    class_of, names = own_classes.class_of(given)
    return own_sources.pictures(folder, labels, class_of, clean), names


def _test_images(
    given: argparse.Namespace, found: list[OwnImage], measured: OwnMeasures, names: list[str]
) -> tuple[list[OwnImage], Bool]:
    """The test images, and which of the images are held back for them, boolean (images,)."""
    if given.test_share:
        held_back = _held_back(given, found, measured)
        return [one for one, out in zip(found, held_back, strict=True) if out], held_back
    labelled = given.test_labels is not None
    test = (
        _labelled(given, given.test_images, given.test_labels)[0]
        if labelled
        else (own_sources.unlabelled(given.test_images))
    )
    taken = {one.name for one in found} & {one.name for one in test}
    if taken:
        raise UserError(f"{given.test_images}: expected other names than in {given.images}, found {min(taken)} in both")
    own_measures.measure(test, len(names))  # for its checks
    return test, np.zeros(len(found), np.bool_)


def _held_back(given: argparse.Namespace, found: list[OwnImage], measured: OwnMeasures) -> Bool:
    """Which images become test images, boolean (images,)."""
    options = settings.load()
    groups = duplicates.groups(measured.signatures, options.preprocess.duplicate_correlation)
    share = Fraction(given.test_share).limit_denominator(FINEST)
    groups, _ = duplicates.divided(
        measured.signatures, groups, options.preprocess.duplicate_correlation, -(-len(found) // share.denominator)
    )
    seed = options.seed if given.seed is None else given.seed
    earlier = earlier_split.read(given.keep) if given.keep else {}
    fixed, free = earlier_split.sides([one.name for one in found], groups, earlier)
    if not free.any():
        return fixed
    count = len(np.unique(groups[free]))
    if count < share.denominator and not earlier:
        raise UserError(
            f"{given.images}: expected at least {share.denominator} groups of near-duplicates for a share of {share}, "
            f"found {count} among {len(groups)} images"
        )
    parts = min(count, share.denominator)
    if parts > 1:
        fixed[free] = folds.assign(measured.pixels[free], groups[free], parts, seed) < round(share * parts)
    return fixed


def _report(output: Path, measured: OwnMeasures, held_back: Bool, test: int, names: Sequence[str]) -> str:
    """What was written, as text."""
    pixels, sizes = measured.pixels, measured.sizes
    clean = int((pixels[~held_back].sum(axis=1) == 0).sum())
    height, width = measured.working_size
    same = (sizes == sizes[0]).all()
    extent = (
        f"{height}×{width} pixels (height×width)"
        if same
        else (
            f"from {sizes[:, 0].min()}×{sizes[:, 1].min()} to {sizes[:, 0].max()}×{sizes[:, 1].max()} pixels "
            f"(height×width), which networks see at {height}×{width}"
        )
    )
    lines = [
        f"convert: {output}: {int((~held_back).sum())} training images ({clean} without a defect), {test} test images, "
        f"{extent}",
        f"{'images with a mask':28}{'training':>10}{'test':>10}",
    ]
    for number, name in enumerate(names):
        here, there = (int((pixels[side, number] > 0).sum()) for side in (~held_back, held_back))
        lines.append(f"{name:28}{here:>10}{there if held_back.any() else '-':>10}")
    if measured.claimed_twice.any():
        lines.append(
            f"convert: {measured.claimed_twice.sum():,} pixels belong to several classes: the recipe keeps all of them "
            "(competition.overlapping_classes: true)"
        )
    return "\n".join(lines)


def _share(text: str) -> float:
    share = float(text)
    if not 1 / FINEST <= share <= 1 - 1 / FINEST:
        raise argparse.ArgumentTypeError(f"expected {1 / FINEST} … {1 - 1 / FINEST}, found {text}")
    return share


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**31:
        raise argparse.ArgumentTypeError(f"expected 0 … {2**31 - 1}, found {text}")
    return seed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add(
        "output",
        type=Path,
        nargs="?",
        metavar="OUTPUT",
        help="a name that ends in .zip, or a folder; first, or after --",
    )
    add("--images", type=Path, required=True, metavar="FOLDER", help="the images, also in folders below it")
    labels: Any = parser.add_mutually_exclusive_group(required=True)
    labels.add_argument("--labels", type=Path, metavar="FOLDER", help="label pictures; may be the folder of the images")
    labels.add_argument("--coco", type=Path, metavar="FILE", help="a COCO file")
    labels.add_argument("--yolo", type=Path, metavar="FOLDER", help="YOLO-segmentation files")
    labels.add_argument("--labelme", type=Path, metavar="FOLDER", help="LabelMe files")
    classes: Any = parser.add_mutually_exclusive_group()
    classes.add_argument("--class", dest="single", metavar="NAME", help="black-and-white labels of this class")
    classes.add_argument(
        "--class-prefixes", nargs="+", default=[], metavar="PREFIX",
        help="black-and-white labels (white from 128 of 255 on), whose names start with these, class 1 first",
    )  # fmt: skip
    classes.add_argument(
        "--class-suffixes", nargs="+", default=[], metavar="SUFFIX",
        help="black-and-white labels, whose names are the image's followed by one of these, class 1 first",
    )  # fmt: skip
    classes.add_argument(
        "--class-folders", nargs="+", default=[], metavar="FOLDER[=NAME]",
        help="black-and-white labels, whose class is that of a folder in their path; all others must be black",
    )  # fmt: skip
    classes.add_argument("--colours", type=Path, metavar="FILE", help="a table: red,green,blue,name or #rrggbb,name")
    add("--classes", nargs="+", default=[], metavar="NAME", help="names of the classes, class 1 first")
    add("--unlabelled-are-clean", action="store_true", help="treat an image without a label as one without a defect")
    test: Any = parser.add_mutually_exclusive_group(required=True)
    test.add_argument("--test-images", type=Path, metavar="FOLDER", help="test images, which need no labels")
    test.add_argument("--test-share", type=_share, metavar="SHARE", help="images to hold back for testing, such as 0.2")
    add("--test-labels", type=Path, metavar="FOLDER", help="labels of --test-images")
    add("--keep", type=Path, metavar="EARLIER", help="an earlier output, whose images stay on their side")
    add("--seed", type=_seed, metavar="N", help="chooses that share (default: seed in params.yaml)")
    add("--force", action="store_true", help="overwrite the output and what stands next to it")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    if given.test_labels and not given.test_images:
        raise UserError("--test-labels: expected --test-images with it, found none")
    if given.test_labels and given.coco:
        raise UserError(
            "--test-labels: expected label pictures, --yolo or --labelme, found --coco: score its masks apart"
        )
    if given.keep and not given.test_share:
        raise UserError("--keep: expected --test-share with it, found none")
    convert(given)
