"""The split of an earlier conversion, which stays as it is when images are added."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from stages.pipeline.arrays import Bool, Int64
from stages.pipeline.cli import UserError

TRAIN, TEST = "train_images", "test_images"


def read(output: Path) -> dict[str, bool]:
    """Whether each image of an earlier output is a test image, by its name.

    Raises:
        UserError: it is no output of convert.
    """
    try:
        if output.is_dir():
            paths = [path.relative_to(output).as_posix() for path in output.rglob("*")]
        else:
            with zipfile.ZipFile(output) as archive:
                paths = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{output}: expected an earlier output of convert, found no readable one ({error})") from None
    found = {
        PurePosixPath(path).name: path.startswith(f"{TEST}/")
        for path in paths
        if path.startswith((f"{TRAIN}/", f"{TEST}/")) and not path.endswith("/")
    }
    if not found:
        raise UserError(f"{output}: expected {TRAIN}/ and {TEST}/ of an earlier output of convert, found neither")
    return found


def sides(names: Sequence[str], groups: Int64, earlier: Mapping[str, bool]) -> tuple[Bool, Bool]:
    """Which images are test images because of the earlier split, and which are free to be divided.

    An image that was there stays where it was. A new image goes where its near-duplicates are; if they are on both
    sides, it is a training image.

    Args:
        names: of the images.
        groups: of near-duplicates, int64 (images,).
        earlier: whether an image was a test image, by name.

    Returns:
        Both boolean (images,).
    """
    test, free = np.zeros(len(names), np.bool_), np.zeros(len(names), np.bool_)
    known: dict[int, set[bool]] = {}
    for name, group in zip(names, groups.tolist(), strict=True):
        if name in earlier:
            known.setdefault(group, set()).add(earlier[name])
    for number, (name, group) in enumerate(zip(names, groups.tolist(), strict=True)):
        if name in earlier:
            test[number] = earlier[name]
        elif group in known:
            test[number] = known[group] == {True}
        else:
            free[number] = True
    return test, free
