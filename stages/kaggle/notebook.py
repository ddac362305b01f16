"""What runs in a Kaggle notebook: from test images to submission.csv, by the code that infer_test and predict run.

This module and those that it imports need TensorFlow, NumPy and OpenCV alone.
"""

import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from stages.dataset import images, path_patterns, sample_submission, submission
from stages.dataset.image_names import ImageNames
from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.inference import ensemble, savedmodel, segmentation
from stages.inference.averaging import Views
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.rules import Rules

PARAMETERS = "parameters.json"
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
    layout = Layout.from_json(parameters["layout"])
    competition, names = _competition(mounted, layout)
    sample = _sample(competition / layout.files.sample_submission, layout, names)
    _check_networks(model, parameters["networks"])
    networks = [savedmodel.load(model / name) for name in parameters["networks"]]
    rules = Rules.from_json(parameters["rules"])
    by_id = ImageNames(names)
    files = [competition / names[_file(by_id, image, layout)] for image in sample.images]
    views = Views(parameters["flips"], tuple(parameters["scales"]))
    label_maps = segmentation.label_maps(networks, files, layout, parameters["batch_size"], views, rules)
    in_time = until(label_maps, [partial(_size, file, layout) for file in files], start + 3600 * parameters["hours"])
    try:
        submission.write(target, sample, in_time, parameters["form"])
    except images.ImageError as error:
        raise UserError(str(error)) from None
    sizes = {image: partial(_size, file, layout) for image, file in zip(sample.images, files, strict=True)}
    counts = submission.check(target, sample, parameters["form"], lambda image: sizes[image]())
    print(f"{counts['images']} images, {counts['masks']} masks, {time.monotonic() - start:.0f} s: {target}")


def until(label_maps: Iterator[UInt8], sizes: Sequence[Callable[[], Size]], end: float) -> Iterator[UInt8]:
    """Yield a label map for each of `sizes`; those after the time `end` of the monotonic clock, in seconds, are empty.

    A submission with some empty images gets a score; a notebook that runs out of time gets none.
    """
    count = len(sizes)
    for number in range(count):
        if time.monotonic() > end:
            print(
                f"OUT OF TIME: the last {count - number} of {count} images are submitted as empty (kernel.hours)",
                flush=True,
            )
            yield from (np.zeros(size(), np.uint8) for size in sizes[number:])
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
    found = {path.parent for folder in (bundle, scratch) for path in folder.rglob(ensemble.FILE)}
    if len(found) != 1:
        raise UserError(f"{bundle}: expected one folder of networks, found {len(found)}")
    return found.pop()


def _check_networks(model: Path, networks: list[str]) -> None:
    """See that the networks are those that train wrote, by their SHA-256 in ensemble.json, before any is loaded."""
    try:
        saved = ensemble.read(model)
        for network in networks:
            ensemble.check_files(model, saved, network)
    except UserError as error:
        damaged = str(error).partition(": ")[0]
        raise UserError(
            f"{damaged}: expected the file that the stage kernel bundled, found another or none: send the data set "
            "again"
        ) from None


def _competition(mounted: Path, layout: Layout) -> tuple[Path, dict[str, str]]:
    """The folder of the competition, and the paths of its test images in it by the names they have in data/raw."""
    found = []
    for path in sorted(mounted.rglob(Path(layout.files.sample_submission).name)):
        if not path.as_posix().endswith(f"/{layout.files.sample_submission}"):
            continue
        folder = path.parents[len(Path(layout.files.sample_submission).parts) - 1]
        files = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        names = path_patterns.matching(
            files, path_patterns.Pattern("test_images", layout.files.test_images, layout.files.id_separator)
        )
        found.append((folder, names))
    with_images = [each for each in found if each[1]]
    found = with_images or (found if layout.files.hidden_test else [])  # Kaggle also runs it where they are hidden
    if len(found) != 1:
        raise UserError(
            f"{mounted}: expected one competition with {layout.files.sample_submission} and test images "
            f"({layout.files.test_images}), found {len(found)}"
        )
    return found[0]


def _sample(path: Path, layout: Layout, names: dict[str, str]) -> sample_submission.Template:
    """The sample; if it holds only its header, with all test images that are there, or none while they are hidden."""
    sample = sample_submission.read(path, layout)
    if sample.images:
        return sample
    files = layout.files
    pattern = path_patterns.Pattern("test_images", files.test_images, files.id_separator)
    ids = [pattern.image_id(path) or name for name, path in names.items()]  # as data/raw would have them
    return replace(sample, images=ids, rows=[[] for _ in ids])


def _file(names: ImageNames, image: str, layout: Layout) -> str:
    file = names.file(image)
    if file is None:
        raise UserError(f"expected a test image {image}, as in {layout.files.sample_submission}, found none")
    return file


def _size(file: Path, layout: Layout) -> Size:
    """Height and width at which an image is scored."""
    native = layout.size if layout.images.sizes == "equal" else images.size(file)
    return layout.scored_size(native or layout.size)
