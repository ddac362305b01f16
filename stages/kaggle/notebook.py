"""What runs in a Kaggle notebook: from test images to submission.csv, by the code that infer_test and predict run.

This module and those that it imports need TensorFlow, NumPy and OpenCV alone.
"""

import json
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages.dataset import images, submission
from stages.dataset.layout import Layout
from stages.inference import savedmodel, segmentation
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.rules import Rules

PARAMETERS = "parameters.json"
ENSEMBLE = "ensemble.json"  # lies beside the networks
REPORT_EVERY = 50  # images


def run(mounted: Path, target: Path) -> None:
    """Segment the test images that Kaggle has mounted and write the submission.

    Args:
        mounted: the folder that holds the data sets and the competition, at any depth: /kaggle/input.
        target: the file to write.

    Raises:
        UserError: the model or the competition is not mounted, or an image is unreadable.
    """
    with tempfile.TemporaryDirectory() as scratch:
        _run(mounted, target, Path(scratch))


def _run(mounted: Path, target: Path, scratch: Path) -> None:
    start = time.monotonic()
    found = sorted(mounted.rglob(PARAMETERS))
    if len(found) != 1:
        raise UserError(f"{mounted}: expected one data set with {PARAMETERS}, found {len(found)}")
    try:
        parameters = json.loads(found[0].read_text(encoding="utf-8"))
        model = _model(found[0].parent, scratch)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{found[0].parent}: expected a complete data set with networks, found: {error}") from None
    competition = _competition(mounted)
    layout = Layout.unnamed(parameters["classes"], parameters["height"], parameters["width"])
    sample = submission.template(competition / "sample_submission.csv", layout)
    networks = [savedmodel.load(model / name) for name in parameters["networks"]]
    rules = Rules.from_json(parameters["rules"])
    files = [competition / "test_images" / name for name in sample.images]
    label_maps = segmentation.label_maps(
        networks, files, layout.size, parameters["batch_size"], parameters["flips"], rules
    )
    in_time = until(label_maps, len(files), layout.size, start + 3600 * parameters["hours"])
    try:
        submission.write(target, sample, in_time, parameters["form"])
    except images.ImageError as error:
        raise UserError(str(error)) from None
    counts = submission.check(target, sample, parameters["form"])
    print(f"{counts['images']} images, {counts['masks']} masks, {time.monotonic() - start:.0f} s: {target}")


def until(label_maps: Iterator[UInt8], count: int, size: tuple[int, int], end: float) -> Iterator[UInt8]:
    """Yield `count` label maps; those after the time `end` of the monotonic clock, in seconds, are empty.

    A submission with some empty images gets a score; a notebook that runs out of time gets none.
    """
    for number in range(count):
        if time.monotonic() > end:
            print(f"OUT OF TIME: the last {count - number} of {count} images are submitted as empty", flush=True)
            yield from (np.zeros(size, np.uint8) for _ in range(count - number))
            return
        yield next(label_maps)
        if (number + 1) % REPORT_EVERY == 0:
            print(f"{number + 1} of {count} images", flush=True)


def _model(bundle: Path, scratch: Path) -> Path:
    """The folder of networks. Kaggle's client sends folders as zips, which Kaggle may mount packed or unpacked."""
    packed = bundle / "model.zip"
    if packed.is_file():
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(scratch / "model")
    found = {path.parent for folder in (bundle, scratch) for path in folder.rglob(ENSEMBLE)}
    if len(found) != 1:
        raise UserError(f"{bundle}: expected one folder of networks, found {len(found)}")
    return found.pop()


def _competition(mounted: Path) -> Path:
    found: list[Any] = [
        path.parent for path in sorted(mounted.rglob("sample_submission.csv")) if (path.parent / "test_images").is_dir()
    ]
    if len(found) != 1:
        raise UserError(f"{mounted}: expected one competition with test_images, found {len(found)}")
    return Path(found[0])
