"""Convert folders of images and drawn labels into the competition's layout, for `download.source`.

    python -m stages convert --images "Source Images" --labels "Ground truth" \\
        --class-prefixes In Pa Sc --classes inclusion patches scratches --test-share 0.2 steel.zip

An image and its label have the same name before the dot, and all images and labels have one size. Labels are PNG, BMP
or TIFF. They hold class ids: 0 for background, then 1, 2, … (in a palette image, the index counts). With
--class-prefixes they are black and white instead, and the file's name starts with the prefix of its class. Images are
copied; BMP and TIFF are converted to PNG.

The test images come from the folder --test-images, or are a share of the images, chosen so that near-duplicates stay
together and classes are spread evenly. The true masks of that share are written next to the output, as
NAME.test-masks.csv, for python -m stages score.
"""

import argparse
import shlex
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from stages.dataset import duplicates, folds, from_folders, label_images
from stages.dataset.from_folders import Pair
from stages.dataset.layout import Layout
from stages.pipeline import settings
from stages.pipeline.arrays import Bool, Float32, Int64
from stages.pipeline.cli import UserError

FINEST = 20  # a share is rounded to a fraction whose denominator is at most this


def convert(given: argparse.Namespace) -> None:
    """Read, check, split and write the data, and print the parameters that fit it.

    Args:
        given: the command's options, see `add_arguments`.

    Raises:
        UserError: images and labels do not match, or the output would overwrite something.
    """
    masks = _masks_path(given.output)
    _refuse_overwriting(given, masks if given.test_share else None)
    names = _names(given.classes, given.class_prefixes)
    pairs = from_folders.pair(given.images, given.labels, given.class_prefixes, given.unlabelled_are_clean)
    size = label_images.size(pairs[0].image)
    pixels, signatures = from_folders.measure(pairs, size, len(names) or None)
    if not names:
        names = _numbered(pixels)
    if given.test_share:
        held_back = _held_back(pixels, signatures, given)
        train, test = ([pair for pair, out in zip(pairs, held_back, strict=True) if out == side] for side in (0, 1))
    else:
        held_back = np.zeros(len(pairs), np.bool_)
        found = [
            Pair(image, from_folders.layout_name(image)) for image in from_folders.listing(given.test_images).values()
        ]
        train, test = pairs, sorted(found, key=lambda pair: pair.name)
        from_folders.measure(test, size, len(names))
    layout = Layout(tuple(names), *size)
    from_folders.write(given.output, train, test, layout, masks if given.test_share else None)
    if given.force and not given.test_share:
        _remove(masks)  # they belong to the output that was replaced
    print(_report(given.output, pixels, held_back, len(test), layout))
    if given.test_share:
        print(f"convert: {masks}: true masks of the test images. To score a submission:")
        print(f"  python -m stages score data/submission.csv {shlex.quote(str(masks))}")


def _masks_path(output: Path) -> Path:
    """Where the true masks are written: next to the output."""
    if output.name in ("", ".."):
        raise UserError(f"expected a name for the output, found {output}")
    stem = output.stem if output.suffix.lower() == ".zip" else output.name
    return output.with_name(f"{stem}.test-masks.csv")


def _remove(masks: Path) -> None:
    if not masks.is_file():
        return
    try:
        masks.unlink()
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{masks}: cannot be removed ({reason}), but belongs to other test images") from None


def _refuse_overwriting(given: argparse.Namespace, masks: Path | None) -> None:
    """Raise a `UserError` if something exists that would be replaced; with --force, if it is not such a layout."""
    output: Path = given.output
    for source in (given.images, given.labels, given.test_images):
        if source and output.resolve() in (source.resolve(), *source.resolve().parents):
            raise UserError(f"{output}: expected an output outside of the input, found {source} in it")
    for path in (output, masks):
        if path and path.exists() and not given.force:
            raise UserError(f"{path}: expected nothing there, found something: --force overwrites it")
    if output.is_dir() and output.suffix.lower() == ".zip":
        raise UserError(f"{output}: expected a zip or nothing there, found a folder")
    if output.exists() and output.suffix.lower() != ".zip":
        if not output.is_dir():
            raise UserError(f"{output}: expected a folder or a name that ends in .zip, found a file")
        foreign = {path.name for path in output.iterdir()} - {*from_folders.LAYOUT}
        if foreign:  # a folder is replaced with everything in it
            raise UserError(f"{output}: expected {', '.join(from_folders.LAYOUT)} alone, found {min(foreign)} too")


def _names(classes: Sequence[str], prefixes: Sequence[str]) -> list[str]:
    """Names of the classes, from --classes or else the prefixes; empty if they follow from the labels."""
    if len(set(prefixes)) != len(prefixes):
        raise UserError(f"--class-prefixes: expected different prefixes, found {', '.join(prefixes)}")
    if prefixes and classes and len(classes) != len(prefixes):
        raise UserError(f"--classes: expected {len(prefixes)} names, as there are prefixes, found {len(classes)}")
    names = list(classes or [prefix.strip("_-. ") or "defect" for prefix in prefixes])
    if names:
        try:
            settings.Competition(slug="any", image_height=1, image_width=1, classes=tuple(names))
        except ValidationError as error:
            raise UserError(f"--classes: {error.errors()[0]['msg']}, found {', '.join(names)}") from None
    return names


def _numbered(pixels: Int64) -> list[str]:
    """Names for the class ids in the labels; every id up to the highest must occur."""
    areas = pixels.sum(axis=0).tolist()
    if not areas:
        raise UserError("expected class ids in the labels, found only background")
    lacking = [str(number) for number, area in enumerate(areas, start=1) if not area]
    if lacking:
        raise UserError(
            f"expected every class id from 1 to the highest, {len(areas)}, in some label, "
            f"found none of {', '.join(lacking[:5])}: name the classes with --classes if that is right"
        )
    return [f"defect_{number}" for number in range(1, pixels.shape[1] + 1)]


def _held_back(pixels: Int64, signatures: Float32, given: argparse.Namespace) -> Bool:
    """Which images become test images, boolean (images,)."""
    options = settings.load()
    groups = duplicates.groups(signatures, options.preprocess.duplicate_correlation)
    share = Fraction(given.test_share).limit_denominator(FINEST)
    found = int(groups.max()) + 1
    if found < share.denominator:
        raise UserError(
            f"{given.images}: expected at least {share.denominator} groups of near-duplicates for a share of {share}, "
            f"found {found} among {len(groups)} images"
        )
    seed = options.seed if given.seed is None else given.seed
    held_back: Bool = folds.assign(pixels, groups, share.denominator, seed) < share.numerator
    return held_back


def _report(output: Path, pixels: Int64, held_back: Bool, test: int, layout: Layout) -> str:
    """What was written, and the parameters that fit it, as text."""
    clean = int((pixels[~held_back].sum(axis=1) == 0).sum())
    lines = [
        f"convert: {output}: {int((~held_back).sum())} training images ({clean} without a defect), {test} test images, "
        f"{layout} pixels (height×width)",
        f"{'images with a mask':28}{'training':>10}{'test':>10}",
    ]
    for number, name in enumerate(layout.classes):
        here, there = (int((pixels[side, number] > 0).sum()) for side in (~held_back, held_back))
        lines.append(f"{name:28}{here:>10}{there if held_back.any() else '-':>10}")
    source, classes = (
        shlex.quote(f"download.source={output.absolute()}"),
        shlex.quote(f"competition.classes=[{','.join(layout.classes)}]"),
    )
    return "\n".join(
        [
            *lines,
            "convert: in params.yaml, under competition:",
            f"  image_height: {layout.height}",
            f"  image_width: {layout.width}",
            f"  classes: [{', '.join(layout.classes)}]",
            "convert: or, for one experiment:",
            f"  dvc exp run -S {source} \\",
            f"    -S competition.image_height={layout.height} -S competition.image_width={layout.width} -S {classes}",
        ]
    )


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
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="a name that ends in .zip, or a folder to write")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="FOLDER", help=".jpg, .jpeg, .png, .bmp or .tif(f)"
    )
    parser.add_argument("--labels", type=Path, required=True, metavar="FOLDER", help=".png, .bmp or .tif(f)")
    parser.add_argument(
        "--class-prefixes", nargs="+", default=[], metavar="PREFIX",
        help="labels are black and white (white from 128 of 255 on), and their names start with these, class 1 first",
    )  # fmt: skip
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help="names of the classes, class 1 first")
    parser.add_argument(
        "--unlabelled-are-clean", action="store_true", help="treat an image without a label as one without a defect"
    )
    test = parser.add_mutually_exclusive_group(required=True)
    test.add_argument("--test-images", type=Path, metavar="FOLDER", help="folder of test images, which need no labels")
    test.add_argument("--test-share", type=_share, metavar="SHARE", help="images to hold back for testing, such as 0.2")
    parser.add_argument("--seed", type=_seed, metavar="N", help="chooses that share (default: seed in params.yaml)")
    parser.add_argument("--force", action="store_true", help="overwrite the output and the true masks next to it")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    convert(given)
