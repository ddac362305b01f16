"""Look for what makes figures mean less than they seem to, before anything is trained.

Reads data/prepared and data/raw/test_images; writes metrics/check_data.json, and prints an ALARM for every finding:
folds or test images that differ from the images trained on, near-duplicates that lie in different folds, too few
examples of a class. An alarm stops nothing.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.dataset import duplicates, images
from stages.dataset import shift as check
from stages.dataset.prepared import Dataset, Sample
from stages.pipeline import cli, outputs, parallel, paths, settings
from stages.pipeline.cli import UserError
from stages.scoring import bootstrap

# Features whose difference from the test images is a metric of its own, and what they mean.
SHOWN = {
    "brightness": "mean grey level of an image",
    "spread": "standard deviation of an image's grey levels",
    "black": "share of black pixels",
}

FOLD_ADVICE = (
    "Its figures say little about images like those trained on. Folds are dealt by chance, near-duplicates together: "
    "see whether one large group fills a fold (preprocess.duplicate_correlation is then too low), or try another seed"
)
TEST_ADVICE = (
    "Figures of the folds will not hold for the test images. See whether both were cropped, exposed and stored alike; "
    "else let training vary as they do (train.brightness, train.contrast)"
)


class Measured(NamedTuple):
    """Images by their `features` and their `duplicates.signature`, float32: one image, or a row for each."""

    described: check.Numbers
    signatures: check.Numbers


class Size(NamedTuple):
    """Of an image, in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}×{self.width}"


def check_data() -> None:
    """Run the stage."""
    options = settings.load()
    expected = Size(options.competition.image_height, options.competition.image_width)
    threshold = options.preprocess.duplicate_correlation
    data = Dataset(paths.PREPARED)
    findings: list[str] = []  # told at the end, below the progress bars
    training = _training_images(data)
    test, other_sizes = _test_images(expected)
    metrics = {
        **_folds(data, training, options.train.folds, findings),
        "test": {
            **_sizes(len(test.described), other_sizes, expected, findings),
            **_test(training, test, threshold, findings),
        },
        "leakage": _leakage(data, training, test, threshold, findings),
        "classes": _classes(data, options.train.folds, findings),
    }
    count, vague = (sum(line.startswith(kind) for line in findings) for kind in ("ALARM", "WARNING"))
    outputs.write_metrics(paths.CHECK_DATA_METRICS, metrics | {"alarms": count, "warnings": vague})
    for line in findings:
        print(f"check_data: {line}")
    if not count + vague:
        print("check_data: none")


def _training_images(data: Dataset) -> Measured:
    def measure(position: int) -> Measured:
        return _measure(data.images[position])

    with threadpool_limits(1, "blas"):  # else NumPy's own threads wait for one another, in every worker
        work = parallel.in_order(measure, range(len(data.images)))
        return _stack(list(tqdm(work, "check_data: training images", len(data.images), unit=" images", disable=None)))


def _test_images(expected: Size) -> tuple[Measured, list[Size]]:
    """Test images of the expected size, and the sizes of the others."""

    def measure(path: Path) -> Measured | Size:
        try:
            return _measure(images.read(path, *expected))
        except images.ImageError as error:
            found = images.size(path)
            if found is None or found == expected:  # unreadable, or cut off
                raise UserError(str(error)) from None
            return Size(*found)

    files = [paths.TEST_IMAGES / name for name in images.listing(paths.TEST_IMAGES)]
    with threadpool_limits(1, "blas"):
        work = parallel.in_order(measure, files)
        found = list(tqdm(work, "check_data: test images", len(files), unit=" images", disable=None))
    fitting = [each for each in found if isinstance(each, Measured)]
    return _stack(fitting), [each for each in found if isinstance(each, Size)]


def _measure(image: npt.NDArray[np.uint8]) -> Measured:
    return Measured(check.features(image), duplicates.signature(image))


def _stack(measured: list[Measured]) -> Measured:
    described = np.array([each.described for each in measured], np.float32).reshape(-1, len(check.FEATURES))
    signatures = np.array([each.signatures for each in measured], np.float32).reshape(-1, duplicates.SIZE)
    return Measured(described, signatures)


def _folds(data: Dataset, training: Measured, validation: tuple[int, ...], findings: list[str]) -> dict[str, Any]:
    """Each validation fold against what its network is trained on, the held-out fold against what any is trained on."""
    parts = {
        f"validation fold {fold}": (_positions(data.fold(fold)), _positions(data.training(fold))) for fold in validation
    }
    trained = np.unique(np.concatenate([positions for _, positions in parts.values()]))
    parts[f"held-out fold {data.held_out}"] = _positions(data.fold(data.held_out)), trained
    groups = np.array([sample.group for sample in data.index], np.int64)
    metrics = []
    for name, (apart, on) in tqdm(parts.items(), "check_data: folds", unit=" folds", disable=None):
        chosen, second = np.concatenate([on, apart]), np.arange(len(on) + len(apart)) >= len(on)
        described = training.described[chosen]
        metrics.append(_separation(f"the {name}", described, second, groups[chosen], FOLD_ADVICE, findings))
    return {
        "validation": {f"fold_{fold}": of for fold, of in zip(validation, metrics, strict=False)},
        "held_out": metrics[-1],
    }


def _positions(samples: list[Sample]) -> check.Integers:
    return np.array([sample.position for sample in samples], np.int64)


def _separation(
    name: str, described: check.Numbers, second: check.Flags, groups: check.Integers, advice: str, findings: list[str]
) -> dict[str, Any]:
    """Figures of a classifier that tells the second set from the first, on which networks are trained."""
    found = check.separation(described, second, groups)
    if found is None:
        findings.append(f"{name}: not compared with the images trained on, fewer than {check.FEWEST} groups in one")
        return {"auc": None, "auc_low": None, "auc_high": None}
    if found.alarming:
        most = max(check.differences(described, second, groups), key=lambda difference: abs(difference.d))
        findings.append(
            f"ALARM: {name} and the images trained on differ: a classifier tells them apart with an AUC of "
            f"{found.auc:.2f} (95% interval {found.low:.2f} to {found.high:.2f}; 0.5 is chance; alarming above "
            f"{check.AUC} with an interval above {check.SURE_AUC}). The largest difference is in {most.feature}: "
            f"{most.second:.3g}, and {most.first:.3g} in those trained on. {advice}"
        )
    return {"auc": found.auc, "auc_low": found.low, "auc_high": found.high}


def _test(training: Measured, test: Measured, threshold: float, findings: list[str]) -> dict[str, Any]:
    """The test images against all training images."""
    described = np.concatenate([training.described, test.described])
    groups = duplicates.groups(np.concatenate([training.signatures, test.signatures]), threshold)
    second = np.arange(len(described)) >= len(training.described)
    metrics = _separation("the test images", described, second, groups, TEST_ADVICE, findings)
    found = {difference.feature: difference for difference in check.differences(described, second, groups)}
    for name in SHOWN:
        of = found.get(name)
        metrics[name] = {"training": of and of.first, "test": of and of.second, "d": of and of.d}
        if of and of.alarming:
            findings.append(
                f"ALARM: the test images differ in {name} ({SHOWN[name]}): {of.second:.3g} on average, {of.first:.3g} "
                f"in the training images, {abs(of.d):.2f} standard deviations of single images apart (alarming above "
                f"{check.D}). {TEST_ADVICE}"
            )
    return metrics


def _sizes(fitting: int, others: list[Size], expected: Size, findings: list[str]) -> dict[str, Any]:
    """Sizes of the test images."""
    sizes = {*others, *([expected] if fitting else [])}
    if others:
        findings.append(
            f"ALARM: {len(others)} of {fitting + len(others)} test images are not of {expected} pixels "
            f"(competition.image_height, image_width), such as one of {others[0]}, and left out; infer_test stops at "
            "the first. Bring all to one size, that of the training images"
        )
    if not sizes:
        findings.append(f"no test images in {paths.TEST_IMAGES}: not compared with the training images")
    return {
        "images": fitting + len(others),
        "images_of_other_size": len(others),
        "height": {"training": expected.height, **_extremes([each.height for each in sizes])},
        "width": {"training": expected.width, **_extremes([each.width for each in sizes])},
    }


def _extremes(values: list[int]) -> dict[str, int | None]:
    return {"least": min(values, default=None), "most": max(values, default=None)}


def _leakage(
    data: Dataset, training: Measured, test: Measured, threshold: float, findings: list[str]
) -> dict[str, Any]:
    """Near-duplicates in different folds, and among the test images."""
    folds = np.array([sample.fold for sample in data.index], np.int64)
    largest, pairs = check.across_folds(training.signatures, folds, threshold)
    if pairs:
        findings.append(
            f"ALARM: {pairs} pair(s) of near-duplicates lie in different folds (correlation {largest:.3f} at most, "
            f"near-duplicates from {threshold}): networks are scored on what they were trained on, and all figures are "
            f"too good. preprocess keeps near-duplicates together: see who changed {paths.PREPARED}, and make it "
            "again: dvc repro --force --single-item preprocess"
        )
    if largest is not None:
        findings.append(
            f"images of different folds correlate by {largest:.4f} at most, near-duplicates from {threshold}"
        )
    closest = check.nearest(test.signatures, training.signatures)
    copies = int(np.count_nonzero(closest >= threshold))
    if copies:
        findings.append(
            f"{copies} of {len(closest)} test images are near-duplicates of training images: a leaderboard may be "
            "kinder than the held-out fold"
        )
    return {
        "largest_correlation_across_folds": largest,
        "pairs_across_folds": pairs,
        "largest_correlation_of_test_images": closest.max() if len(closest) else None,
        "test_near_duplicates": copies,
    }


def _classes(data: Dataset, validation: tuple[int, ...], findings: list[str]) -> dict[str, Any]:
    """In how many groups of near-duplicates of the validation folds, and of the held-out fold, each class occurs."""
    metrics = {}
    for number, name in enumerate(data.classes):
        there = [sample for sample in data.index if sample.pixels[number]]
        chosen = len({sample.group for sample in there if sample.fold in validation})
        reported = len({sample.group for sample in there if sample.fold == data.held_out})
        metrics[name] = {"validation_groups": chosen, "held_out_groups": reported}
        if min(chosen, reported) < bootstrap.FEWEST:
            findings.append(
                f"WARNING: {name} occurs in {chosen} group(s) of near-duplicates of the validation folds and in "
                f"{reported} of the held-out fold: below {bootstrap.FEWEST}, its figures there mean little. Judge it "
                "by other data, by more validation folds (train.folds), or by larger ones (fewer preprocess.folds)"
            )
    return metrics


if __name__ == "__main__":
    cli.run(check_data, __doc__)
