"""Turn folders of images and drawn labels into the competition's layout, for `download.source`.

    python -m stages convert --images "Source Images" --labels "Ground truth" \\
        --class-prefixes In Pa Sc --classes inclusion patches scratches --test-share 0.2 steel.zip

An image and its label have the same name before the dot, and all have one size. Labels are PNG, BMP or TIFF and hold
class ids: 0 background, then 1, 2, … (of a palette the index counts); or, with --class-prefixes, they are black and
white, and the file's name starts with the prefix of its class. Images are copied; BMP and TIFF become PNG.

The test images are those of --test-images, or a share of the images, near-duplicates together, classes spread evenly.
The true masks of that share go beside the output, NAME.test-masks.csv, for python -m stages score.
"""

import argparse
import shlex
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from stages.dataset import duplicates, folds, from_folders, label_images
from stages.dataset.from_folders import Pair
from stages.dataset.layout import Layout
from stages.pipeline import settings
from stages.pipeline.cli import UserError

FINEST = 20  # shares are multiples of 1/FINEST, or of a larger part

Pixels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def convert(given: argparse.Namespace) -> None:
    """Read, check, split, write, and tell what fits into params.yaml.

    Args:
        given: the command's options, see `main`.

    Raises:
        UserError: images and labels that do not fit one another, or an output that would overwrite something.
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
    from_folders.write(given.output, train, test, Layout(tuple(names), *size), masks if given.test_share else None)
    if given.force and not given.test_share:
        _remove(masks)  # those of the output that was replaced
    print(_told(given.output, pixels, held_back, len(test), names, size))
    if given.test_share:
        print(f"convert: {masks}: true masks of the test images, for")
        print(f"  python -m stages score data/submission.csv {shlex.quote(str(masks))}")


def _masks_path(output: Path) -> Path:
    """Where the true masks go: beside the output."""
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
        raise UserError(f"{masks}: cannot be removed ({reason}), though it is of other test images") from None


def _refuse_overwriting(given: argparse.Namespace, masks: Path | None) -> None:
    """Raise a `UserError` rather than replace what is there, or, with --force, what is no layout of ours."""
    output: Path = given.output
    for source in (given.images, given.labels, given.test_images):
        if source and output.resolve() in (source.resolve(), *source.resolve().parents):
            raise UserError(f"{output}: expected an output outside of what is read, found {source} in it")
    for path in (output, masks):
        if path and path.exists() and not given.force:
            raise UserError(f"{path}: expected nothing there, found something: --force overwrites it")
    if output.is_dir() and output.suffix.lower() == ".zip":
        raise UserError(f"{output}: expected a zip or nothing there, found a folder")
    if output.exists() and output.suffix.lower() != ".zip":
        if not output.is_dir():
            raise UserError(f"{output}: expected a folder or a name that ends in .zip, found a file")
        foreign = {path.name for path in output.iterdir()} - {*from_folders.LAYOUT}
        if foreign:  # a folder is replaced with all in it
            raise UserError(f"{output}: expected {', '.join(from_folders.LAYOUT)} alone, found {min(foreign)} too")


def _names(classes: Sequence[str], prefixes: Sequence[str]) -> list[str]:
    """Names of the classes, those of the prefixes if there are no others; none if the labels have to tell."""
    if len(set(prefixes)) != len(prefixes):
        raise UserError(f"--class-prefixes: expected different ones, found {', '.join(prefixes)}")
    if prefixes and classes and len(classes) != len(prefixes):
        raise UserError(f"--classes: expected {len(prefixes)} names, as there are prefixes, found {len(classes)}")
    names = list(classes or [prefix.strip("_-. ") or "defect" for prefix in prefixes])
    if names:
        try:
            settings.Competition(slug="any", image_height=1, image_width=1, classes=tuple(names))
        except ValidationError as error:
            raise UserError(f"--classes: {error.errors()[0]['msg']}, found {', '.join(names)}") from None
    return names


def _numbered(pixels: Pixels) -> list[str]:
    """Names for the class ids that the labels hold, all of which must occur."""
    areas = pixels.sum(axis=0).tolist()
    if not areas:
        raise UserError("expected class ids in the labels, found background alone")
    lacking = [str(number) for number, area in enumerate(areas, start=1) if not area]
    if lacking:
        raise UserError(
            f"expected every class id from 1 to the highest, {len(areas)}, in some label, "
            f"found none of {', '.join(lacking[:5])}: name the classes with --classes if that is right"
        )
    return [f"defect_{number}" for number in range(1, pixels.shape[1] + 1)]


def _held_back(pixels: Pixels, signatures: npt.NDArray[np.float32], given: argparse.Namespace) -> Mask:
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
    held_back: Mask = folds.assign(pixels, groups, share.denominator, seed) < share.numerator
    return held_back


def _told(output: Path, pixels: Pixels, held_back: Mask, test: int, names: Sequence[str], size: tuple[int, int]) -> str:
    """What was written, and the parameters that fit it."""
    clean = int((pixels[~held_back].sum(axis=1) == 0).sum())
    lines = [
        f"convert: {output}: {int((~held_back).sum())} training images ({clean} without a defect), {test} test images, "
        f"{size[0]}×{size[1]} pixels (height×width)",
        f"{'images with a mask':28}{'training':>10}{'test':>10}",
    ]
    for number, name in enumerate(names):
        here, there = (int((pixels[side, number] > 0).sum()) for side in (~held_back, held_back))
        lines.append(f"{name:28}{here:>10}{there if held_back.any() else '-':>10}")
    source, classes = (
        shlex.quote(f"download.source={output.absolute()}"),
        shlex.quote(f"competition.classes=[{','.join(names)}]"),
    )
    return "\n".join(
        [
            *lines,
            "convert: for competition: in params.yaml",
            f"  image_height: {size[0]}",
            f"  image_width: {size[1]}",
            f"  classes: [{', '.join(names)}]",
            "convert: or",
            f"  dvc exp run -S {source} \\",
            f"    -S competition.image_height={size[0]} -S competition.image_width={size[1]} -S {classes}",
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
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="a name that ends in .zip, or a folder")
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help=".jpg, .jpeg, .png, .bmp, .tif(f)")
    parser.add_argument("--labels", type=Path, required=True, metavar="FOLDER", help=".png, .bmp, .tif(f)")
    parser.add_argument(
        "--class-prefixes", nargs="+", default=[], metavar="PREFIX",
        help="labels are black and white (inside: 128 and more of 255), and names start so, class 1 first; '' fits all",
    )  # fmt: skip
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help="names of the classes, class 1 first")
    parser.add_argument(
        "--unlabelled-are-clean", action="store_true", help="an image without a label is one without a defect"
    )
    test = parser.add_mutually_exclusive_group(required=True)
    test.add_argument("--test-images", type=Path, metavar="FOLDER", help="test images, without labels")
    test.add_argument("--test-share", type=_share, metavar="SHARE", help="of the images, such as 0.2, held back")
    parser.add_argument("--seed", type=_seed, metavar="N", help="of that share (default: seed of params.yaml)")
    parser.add_argument("--force", action="store_true", help="overwrite the output and its true masks")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    convert(given)
