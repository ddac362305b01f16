"""Checks of prepared data for what makes figures misleading: distribution shift, leakage, rare classes, image sizes.

Every check returns its figures, for metrics/check_data.json, and its findings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.dataset import duplicates, shift
from stages.dataset.descriptions import Described, TestImages
from stages.dataset.findings import Check, Finding, Severity
from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset, Sample
from stages.pipeline import paths
from stages.pipeline.arrays import Bool, Float32, Int64
from stages.pipeline.progress import bar

Result = tuple[dict[str, Any], list[Finding]]

# Features whose difference from the test images is a metric of its own, and what they mean.
SHOWN = {
    "brightness": "mean grey level of an image",
    "spread": "standard deviation of an image's grey levels",
    "black": "share of black pixels",
}

FOLD_ADVICE = (
    "Its figures say little about images like those trained on. Folds are assigned at random, near-duplicates "
    "together: check whether one large group fills a fold (preprocess.duplicate_correlation is then too low), or try "
    "another seed"
)
TEST_ADVICE = (
    "Figures of the folds will not hold for the test images. Check whether both were cropped, exposed and stored "
    "alike; otherwise let training vary as they do (train.brightness, train.contrast)"
)


@dataclass(frozen=True)
class Comparison:
    """Two sets of images: those that networks are trained on, and others.

    Attributes:
        name: of the other images, for messages.
        features: of `shift`, float32 (images, features).
        other: boolean (images,), True for the other images.
        groups: group of near-duplicates of each image, int64 (images,).
        advice: what to do if the two sets differ.
    """

    name: str
    features: Float32
    other: Bool
    groups: Int64
    advice: str


def folds(data: Dataset, training: Described, validation: Sequence[int]) -> Result:
    """Compare each validation fold with what its network is trained on, and the held-out fold with all of that."""
    parts = {
        f"validation fold {fold}": (_positions(data.fold(fold)), _positions(data.training(fold))) for fold in validation
    }
    trained_on = np.unique(np.concatenate([positions for _, positions in parts.values()]))
    parts[f"held-out fold {data.held_out}"] = _positions(data.fold(data.held_out)), trained_on
    groups = np.array([sample.group for sample in data.index], np.int64)
    metrics, findings = [], []
    for name, (apart, on) in bar(parts.items(), "check_data: folds", unit="folds"):
        chosen, other = np.concatenate([on, apart]), np.arange(len(on) + len(apart)) >= len(on)
        comparison = Comparison(f"the {name}", training.features[chosen], other, groups[chosen], FOLD_ADVICE)
        figures, found = _separation(comparison)
        metrics.append(figures)
        findings += found
    by_fold = {f"fold_{fold}": of for fold, of in zip(validation, metrics, strict=False)}
    return {"validation": by_fold, "held_out": metrics[-1]}, findings


def _positions(samples: list[Sample]) -> Int64:
    return np.array([sample.position for sample in samples], np.int64)


def _separation(compared: Comparison) -> Result:
    """How well a classifier tells the other images from those trained on."""
    found = shift.separation(compared.features, compared.other, compared.groups)
    if found is None:
        message = (
            f"{compared.name}: not compared with the images trained on, because one of the two has fewer than "
            f"{shift.MIN_GROUPS} groups of near-duplicates"
        )
        return {"auc": None, "auc_low": None, "auc_high": None}, [
            Finding(Severity.NOTE, Check.DISTRIBUTION_SHIFT, message)
        ]
    findings = []
    if found.is_problem:
        differences = shift.differences(compared.features, compared.other, compared.groups)
        most = max(differences, key=lambda difference: abs(difference.d))
        message = (
            f"{compared.name} and the images trained on differ: a classifier tells them apart with an AUC of "
            f"{found.auc:.2f} (95% interval {found.low:.2f} to {found.high:.2f}; 0.5 is chance; a problem above "
            f"{shift.LARGE_AUC} with an interval above {shift.SURE_AUC}). The largest difference is in {most.feature}: "
            f"{most.second:.3g}, and {most.first:.3g} in those trained on. {compared.advice}"
        )
        findings.append(Finding(Severity.PROBLEM, Check.DISTRIBUTION_SHIFT, message))
    return {"auc": found.auc, "auc_low": found.low, "auc_high": found.high}, findings


def sizes(test: TestImages, layout: Layout) -> Result:
    """The sizes of the test images, and that of the images that networks see."""
    findings = []
    if not test.sizes:
        message = f"no test images in {paths.TEST_IMAGES}, so they were not compared with the training images"
        findings.append(Finding(Severity.NOTE, Check.IMAGE_SIZE, message))
    return {
        "images": len(test.sizes),
        "height": {"network": layout.height, **_extremes([height for height, _ in test.sizes])},
        "width": {"network": layout.width, **_extremes([width for _, width in test.sizes])},
    }, findings


def _extremes(values: list[int]) -> dict[str, int | None]:
    return {"least": min(values, default=None), "most": max(values, default=None)}


def test_images(training: Described, test: Described, threshold: float) -> Result:
    """Compare the test images with all training images."""
    groups = duplicates.groups(np.concatenate([training.signatures, test.signatures]), threshold)
    features = np.concatenate([training.features, test.features])
    other = np.arange(len(features)) >= len(training.features)
    metrics, findings = _separation(Comparison("the test images", features, other, groups, TEST_ADVICE))
    found = {difference.feature: difference for difference in shift.differences(features, other, groups)}
    for name, meaning in SHOWN.items():
        of = found.get(name)
        metrics[name] = {"training": of and of.first, "test": of and of.second, "d": of and of.d}
        if of and of.is_problem:
            message = (
                f"the test images differ in {name} ({meaning}): {of.second:.3g} on average, {of.first:.3g} in the "
                f"training images, {abs(of.d):.2f} standard deviations of single images apart (a problem above "
                f"{shift.LARGE_D}). {TEST_ADVICE}"
            )
            findings.append(Finding(Severity.PROBLEM, Check.DISTRIBUTION_SHIFT, message))
    return metrics, findings


def leakage(data: Dataset, test: Described, threshold: float) -> Result:
    """Look for near-duplicates in different folds, and among the test images."""
    fold_of = np.array([sample.fold for sample in data.index], np.int64)
    largest, pairs = shift.across_folds(data.signatures, fold_of, threshold)
    findings = []
    if pairs and data.summary.get("divided_groups"):
        sizes = ", ".join(data.summary["divided_groups"])
        message = (
            f"{pairs} pair(s) of near-duplicates lie in different folds, because chains of {sizes} images, each like "
            "the next, would have filled a fold and were divided: figures may be somewhat too good. A higher "
            "preprocess.duplicate_correlation finds fewer near-duplicates"
        )
        findings.append(Finding(Severity.WARNING, Check.LEAKAGE, message))
    elif pairs:
        message = (
            f"{pairs} pair(s) of near-duplicates lie in different folds (correlation {largest:.3f} at most, "
            f"near-duplicates from preprocess.duplicate_correlation = {threshold}): networks are scored on what they "
            "were trained on, and all figures are too good. preprocess keeps near-duplicates together: find out what "
            f"changed {paths.PREPARED}, and make it again: dvc repro --force --single-item preprocess"
        )
        findings.append(Finding(Severity.PROBLEM, Check.LEAKAGE, message))
    if largest is not None:
        message = (
            f"images of different folds correlate by {largest:.4f} at most, near-duplicates from "
            f"preprocess.duplicate_correlation = {threshold}"
        )
        findings.append(Finding(Severity.NOTE, Check.LEAKAGE, message))
    closest = shift.nearest(test.signatures, data.signatures)
    copies = int(np.count_nonzero(closest >= threshold))
    if copies:
        message = (
            f"{copies} of {len(closest)} test images are near-duplicates of training images: a leaderboard may show "
            "better figures than the held-out fold"
        )
        findings.append(Finding(Severity.NOTE, Check.LEAKAGE, message))
    return {
        "largest_correlation_across_folds": largest,
        "pairs_across_folds": pairs,
        "largest_correlation_of_test_images": closest.max() if len(closest) else None,
        "test_near_duplicates": copies,
    }, findings


def rare_classes(data: Dataset, validation: Sequence[int], least: int) -> Result:
    """Count in how many groups of near-duplicates of the validation folds and of the held-out fold each class occurs.

    Args:
        data: the prepared data.
        validation: the validation folds.
        least: fewer groups than this, in either, are a warning, one for all such classes.
    """
    metrics, rare = {}, []
    for number, name in enumerate(data.classes):
        showing = [sample for sample in data.index if sample.pixels[number]]
        chosen = len({sample.group for sample in showing if sample.fold in validation})
        reported = len({sample.group for sample in showing if sample.fold == data.held_out})
        metrics[name] = {"validation_groups": chosen, "held_out_groups": reported}
        if min(chosen, reported) < least:
            rare.append(f"{name} ({chosen} and {reported})")
    if not rare:
        return metrics, []
    message = (
        "groups of near-duplicates of the validation folds and of the held-out fold that show a class: "
        f"{', '.join(rare)}; below {least}, its figures there mean little. Judge it by other data, by more validation "
        "folds (train.folds), or by larger ones (fewer preprocess.folds)"
    )
    return metrics, [Finding(Severity.WARNING, Check.RARE_CLASSES, message)]
