"""Plan a training for the time that there is, from the data and a short timing of this machine.

As in nnU-Net (Isensee et al., 2021), what follows from the data is not searched: resolution from the size of the
objects, crops and batch from what fits, epochs from the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from stages.dataset import label_maps
from stages.dataset.prepared import Dataset
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Settings, Train
from stages.pipeline.train_settings import MOST_STAGES
from stages.training.job import Job
from stages.training.timing import Seconds, measure

LEAST_EPOCHS, MOST_EPOCHS = 3, 60
ENOUGH_CROPS = 20  # of each image in the whole training; with fewer, a better resolution is not worth it
WORTH = 1.25  # times as many crops: less is not worth a coarser resolution
NARROW = 16  # pixels; objects that are narrower lose their shape at half the resolution
CROP = 256  # pixels of a crop's side, where images are that large
LOOKED_AT = 100  # images whose objects are measured


@dataclass(frozen=True)
class TrainingPlan:
    """What is planned, and why.

    Attributes:
        changes: values of the section `train`.
        seconds: that all of its networks should take to train.
        reasons: in sentences.
    """

    changes: dict[str, Any]
    seconds: float
    reasons: list[str]


def object_width(data: Dataset) -> float:
    """The shorter side of the box around a connected part of a mask: median by class, the smallest class's, in pixels.

    The sizes are those at which networks see the images.
    """
    widths: dict[int, list[int]] = {}
    for sample in [sample for sample in data.index if sum(sample.pixels)][:LOOKED_AT]:
        labels = data.label_map(sample)
        for class_id in label_maps.present(labels):
            mask = label_maps.of_class(labels, class_id).astype(np.uint8)
            _, _, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
            widths.setdefault(class_id, []).extend(boxes[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].min(axis=1))
    return float(min(np.median(of_class) for of_class in widths.values()))


def candidates(data: Dataset, options: Train) -> Iterator[dict[str, Any]]:
    """What could be trained, the best first: each is faster than the one before."""
    first = 1 if object_width(data) < NARROW else 2
    for downscale in [scale for scale in (1, 2, 4) if scale >= first]:
        for crops in (2, 1):
            yield {
                "downscale": downscale,
                "decoder_filters": _filters(options, downscale),
                "crop_height": _crop(data.images.height, downscale),
                "crop_width": _crop(data.images.width, downscale),
                "batch_size": min(options.batch_size if options.batch_size > 1 else 4, len(data.index)),
                "crops_per_image": crops,
                "full_size_epochs": 0,
            }


def _filters(options: Train, downscale: int) -> tuple[int, ...]:
    """The widths of the decoder: below full resolution, five, so that masks lose no more than the image does."""
    given = options.decoder_filters
    return (*given, given[-1]) if downscale > 1 and len(given) < MOST_STAGES else given


def _crop(side: int, downscale: int) -> int:
    """A side of a crop: networks fill up crops to a multiple of 32, which costs time and shows nothing."""
    most, step = min(CROP, side), 32 * downscale
    filled = most // step * step
    return filled if filled >= 0.9 * most else most


def fitted(
    data: Dataset, options: Train, measured: Seconds, minutes: float, started: float = 0.0
) -> TrainingPlan | None:
    """The plan with as many epochs as the time allows; None if they are too few.

    Args:
        data: the prepared data set.
        options: the section `train` with a candidate's values.
        measured: with these options.
        minutes: for all networks together.
        started: seconds that the process needs before it can train.
    """
    fixed, epoch = _seconds(data, options, measured, started)
    epochs = min(MOST_EPOCHS, int((60 * minutes - fixed) / epoch))
    if epochs < LEAST_EPOCHS:
        return None
    width = object_width(data)
    networks = len(options.folds) + bool(options.final)
    reasons = [
        f"objects are {width:.0f} pixels wide (median of the smallest class): resolution 1/{options.downscale}",
        f"a step takes {measured.step:.3f} s, a validation image {measured.image:.3f} s, what else stands between two "
        f"epochs {measured.between:.1f} s: an epoch {epoch / networks:.1f} s. Start {measured.start:.0f} s, export "
        f"{measured.export:.0f} s",
        f"{epochs} epochs for {networks} network(s): {(fixed + epochs * epoch) / 60:.1f} minutes planned",
    ]
    changes = {"epochs": epochs, "early_stopping_patience": epochs, "warmup_epochs": 0}
    if options.frozen_epochs:
        changes["frozen_epochs"] = min(options.frozen_epochs, epochs - 1)
    return TrainingPlan(changes, fixed + epochs * epoch, reasons)


def too_short(data: Dataset, options: Train, measured: Seconds, minutes: float, started: float = 0.0) -> UserError:
    """The message if even the fastest candidate does not fit. Arguments as for `fitted`."""
    fixed, epoch = _seconds(data, options, measured, started)
    least = (fixed + LEAST_EPOCHS * epoch) / 60
    return UserError(
        f"recipe auto: --minutes: expected at least {np.ceil(least):.0f} minutes for {LEAST_EPOCHS} epochs of "
        f"{len(options.folds) + bool(options.final)} network(s) on this machine, found {minutes:g}"
    )


def _seconds(data: Dataset, options: Train, measured: Seconds, started: float) -> tuple[float, float]:
    """Seconds of all networks: what does not depend on the epochs, and an epoch of each.

    The final network has as many epochs as were best for the others, so this is the most that it takes.
    """
    trainings = [(data.training(fold), len(data.fold(fold))) for fold in options.folds]
    if options.final:
        trainings.append((data.index, 0))
    fixed, epoch = started, 0.0
    for samples, validated in trainings:
        steps = max(1, len(data.tiles(samples)) * options.crops_per_image // options.batch_size)
        fixed += measured.start + measured.export
        epoch += steps * measured.step + validated * measured.image + measured.between
    return fixed, epoch


def _crops(changes: dict[str, Any]) -> int:
    """Crops of each image in the whole training."""
    return int(changes["epochs"] * changes["crops_per_image"])


def plan(options: Settings, data: Dataset, minutes: float, started: float = 0.0) -> TrainingPlan:
    """Plan the training of `train.folds` and, if it is asked for, of the final network.

    The first candidate that shows enough crops is taken. If none does, it is the best that no other exceeds by far.

    Args:
        options: all of params.yaml.
        data: the prepared data set.
        minutes: that all networks together may take.
        started: seconds that the process needs before it can train.

    Raises:
        UserError: the time is too short for the fastest candidate.
    """
    found: TrainingPlan | None = None
    measured: dict[int, Seconds] = {}  # by resolution: the number of crops per image changes no step
    for changes in candidates(data, options.train):
        train = options.train.model_copy(update=changes)
        if train.downscale not in measured:
            export = next(iter(measured.values())).export if measured else None
            measured[train.downscale] = measure(Job(data, train, options.training_seed), train.folds[0], export)
        seconds = measured[train.downscale]
        fits = fitted(data, train, seconds, minutes, started)
        if fits is None or (found is not None and _crops(changes | fits.changes) < WORTH * _crops(found.changes)):
            continue
        found = TrainingPlan(changes | fits.changes, fits.seconds, fits.reasons)
        if _crops(found.changes) >= ENOUGH_CROPS:
            return found
    if found is None:
        raise too_short(data, train, seconds, minutes, started)
    return found
