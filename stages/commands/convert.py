"""Convert folders of one's own images and labels into a competition, and write the recipe that reads it.

    python -m stages convert steel.zip --images "Source Images" --labels "Ground truth" \\
        --class-prefixes In Pa Sc --classes inclusion patches scratches --test-share 0.2
    python -m stages convert tiles.zip --images MT --labels MT --test-share 0.2 \\
        --class-folders MT_Blowhole=blowhole MT_Crack=crack
    make RECIPE=steel.recipe.yaml

Images are JPEG, PNG, BMP or TIFF of any sizes, in one folder or in folders below it. A label has the path of its image
before the dot; where folders differ, a name that one image alone has will do. Labels are one of:

--labels    pictures (PNG, BMP, TIFF), in a folder of their own or beside the images.
            They hold class ids (0 background, then 1, 2, …; of a palette the index counts), one colour per class
            (--colours), or are black and white, and their class follows from --class, --class-prefixes,
            --class-suffixes (several pictures per image) or --class-folders. An all-black picture is a clean image.
--coco      a COCO file, with polygons or run lengths.
--yolo      YOLO-segmentation: a .txt per image. --classes names the classes.
--labelme   LabelMe: a .json per image.

The test images are a share of the images, chosen so that near-duplicates stay together and classes are spread evenly;
or those of --test-images, which may have labels of the same kind (--test-labels). The true masks of labelled test
images are written next to the output, as NAME.test-masks.csv, for python -m stages score. --keep EARLIER leaves the
images of an earlier output on their side, when images are added, and fills the share up with new ones; the content of
an image decides, not its name.
"""

import argparse
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from stages.conversion import class_names, competition, forms, measures, pairing, report, split, targets
from stages.conversion.labels import LabelledImage
from stages.conversion.split import FINEST
from stages.pipeline import outputs, yaml_files
from stages.pipeline.cli import UserError


def convert(given: argparse.Namespace) -> None:
    """Read, check, split and write the data, and say which command comes next.

    Args:
        given: the command's options, see `add_arguments`.

    Raises:
        UserError: images and labels do not match, or the output would overwrite something.
    """
    if given.output is None:
        raise UserError("expected an OUTPUT first, before the options, or after --; found none")
    masks, recipe = targets.beside(given.output, "test-masks.csv"), targets.beside(given.output, "recipe.yaml")
    targets.refuse_overwriting(given, [masks, recipe])
    names, read = forms.of(given)
    first = read(forms.training_place(given))
    found = [*first, *_test_images(given, first, read)]
    is_test = np.arange(len(found)) >= len(first)
    measured = measures.measure(found, len(names) or None)
    given_first = measured.part(~is_test)
    names = names or class_names.numbered(given_first.pixels)
    if given.test_share:
        is_test = split.held_back(given, found, measured)
    train, test = ([one for one, out in zip(found, is_test, strict=True) if out == side] for side in (False, True))
    sides = report.Sides(is_test, bool(given.test_share) or any(one.label for one in test), given_first.working_size)
    competition.write(given.output, train, test, len(names), masks if sides.scored else None)
    if given.force and not sides.scored:
        targets.remove(masks)  # they belong to the output that was replaced
    fragment = competition.recipe(given.output, names, measured, sides.working_size)
    with outputs.file(recipe) as stream:
        stream.write(f"# Own images: {given.output.name}, as convert wrote it.\n")
        yaml_files.write(stream, fragment)
    print(report.text(given.output, measured, sides, names))
    if sides.scored:
        print(f"convert: {masks}: true masks of the test images, for python -m stages score")
    print(f"convert: next: make RECIPE={shlex.quote(str(recipe))}")


def _test_images(given: argparse.Namespace, first: list[LabelledImage], read: forms.Read) -> list[LabelledImage]:
    """The images of --test-images, if they are in a folder of their own."""
    if given.test_share:
        return []
    place = forms.test_place(given)
    test = read(place) if given.test_labels else pairing.unlabelled(place.images, place.apart)
    taken = {one.name for one in first} & {one.name for one in test}
    if taken:
        raise UserError(f"{given.test_images}: expected other names than in {given.images}, found {min(taken)} in both")
    return test


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
    add("--test-labels", type=Path, metavar="FOLDER", help="labels of --test-images; with --coco, a COCO file")
    add("--keep", type=Path, metavar="EARLIER", help="an earlier output, whose images stay on their side")
    add("--seed", type=_seed, metavar="N", help="chooses that share (default: seed in params.yaml)")
    add("--force", action="store_true", help="overwrite the output and what stands next to it")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    if given.test_labels and not given.test_images:
        raise UserError("--test-labels: expected --test-images with it, found none")
    if given.keep and not given.test_share:
        raise UserError("--keep: expected --test-share with it, found none")
    convert(given)
