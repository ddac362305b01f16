"""Score the networks on the held-out fold, with the ensemble, inference and post-processing that predict uses.

Reads data/prepared and data/model; writes metrics/evaluation.json, confusion.csv, images.csv and pictures. The
validation folds, each scored by the network that did not train on it, stand beside: choose by those, report the
held-out fold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from stages import command, outputs, paths, settings
from stages.competition import score
from stages.competition.prepared import Entry, Prepared
from stages.masks import confusion, matrix_chart, pictures, postprocess
from stages.network import inference

LabelMap = npt.NDArray[np.uint8]

SHOWN = 3  # best, median and worst images of the overlay pictures


@dataclass(frozen=True)
class Scored:
    """One image with its confusion matrix, int64 (1 + classes, 1 + classes)."""

    entry: Entry
    matrix: confusion.Matrix


def evaluate() -> None:
    """Run the stage."""
    options = settings.load()
    data = Prepared(paths.PREPARED)
    folds = options.train.folds
    networks = {fold: inference.load(paths.MODEL / f"fold_{fold}") for fold in folds}
    held_out = scored(list(networks.values()), data, data.fold(data.held_out), options.inference, "evaluate: held out")
    validation = [
        image
        for fold in folds
        for image in scored([networks[fold]], data, data.fold(fold), options.inference, f"evaluate: fold {fold}")
    ]
    metrics = figures(held_out, data.classes) | {"validation": headline(validation)}
    matrix = np.sum([image.matrix for image in held_out], axis=0)
    _write_tables(held_out, validation, matrix, data.classes)
    with outputs.folder(paths.EVALUATION_PICTURES) as folder:
        matrix_chart.draw(matrix, ["background", *data.classes], folder / "confusion.png")
        chosen = ranked(held_out)
        again = [image.entry for images in chosen.values() for image in images]
        predicted = label_maps(list(networks.values()), data, again, options.inference)
        for title, images in chosen.items():
            overlays = [overlay(data, image, next(predicted)) for image in images]
            pictures.save(pictures.stack(overlays), folder / f"{title}.jpg")
    outputs.write_metrics(paths.EVALUATION_METRICS, metrics)
    _tell(metrics, data.classes)


def scored(
    networks: list[inference.Network], data: Prepared, entries: list[Entry], options: settings.Inference, title: str
) -> list[Scored]:
    """Segment images and count each one's pixels by true and predicted class."""
    return [
        Scored(entry, confusion.matrix(data.labels[entry.position], label_map, len(data.classes)))
        for entry, label_map in zip(
            tqdm(entries, title, unit=" images", disable=None),
            label_maps(networks, data, entries, options),
            strict=True,
        )
    ]


def label_maps(
    networks: list[inference.Network], data: Prepared, entries: list[Entry], options: settings.Inference
) -> Iterator[LabelMap]:
    """Predicted label map of each image, uint8 (height, width)."""
    images = (data.images[entry.position] for entry in entries)
    for probability in inference.probabilities(networks, images, options.batch_size, options.flips):
        yield postprocess.label_map(probability)


def headline(images: list[Scored]) -> dict[str, Any]:
    """The two figures to choose by, and the score of predicting nothing to hold the first against."""
    overlaps = confusion.overlaps(np.stack([image.matrix for image in images]))
    positive = score.positive_dice(*overlaps)
    return {
        "images": len(images),
        "mean_dice": score.mean_dice(*overlaps),
        "all_empty_mean_dice": score.all_empty_mean_dice(overlaps[1]),
        "positive_mean_dice": score.mean_defined(positive),
    }


def figures(images: list[Scored], classes: list[str]) -> dict[str, Any]:
    """Everything that metrics/evaluation.json says of the held-out fold."""
    names = ["background", *classes]
    matrix = np.sum([image.matrix for image in images], axis=0)
    per_class = confusion.figures(matrix)
    positive = score.positive_dice(*confusion.overlaps(np.stack([image.matrix for image in images])))
    predicted = matrix.sum(axis=0)
    shares = confusion.shares(matrix)
    return headline(images) | {
        "positive_dice": dict(zip(classes, positive, strict=True)),
        "pixel_accuracy": confusion.pixel_accuracy(matrix),
        "mean_iou": score.mean_defined([figures["iou"] for figures in per_class]),
        "classes": dict(zip(names, per_class, strict=True)),
        "collapsed": {name: int(predicted[number] == 0) for number, name in enumerate(classes, start=1)},
        "confusion": {
            true: dict(zip(names, row, strict=True)) for true, row in zip(names, shares.tolist(), strict=True)
        },
    }


def ranked(images: list[Scored]) -> dict[str, list[Scored]]:
    """The best, median and worst images that hold a defect, by Dice over the classes that are there or predicted."""

    def dice(image: Scored) -> float:
        intersection, true, predicted = confusion.overlaps(image.matrix)
        return float(2 * intersection.sum() / max(true.sum() + predicted.sum(), 1))

    order = sorted((image for image in images if sum(image.entry.pixels)), key=dice, reverse=True)
    order = order or images  # a fold without any defect still has pictures
    middle = max(0, (len(order) - SHOWN) // 2)
    return {"best": order[:SHOWN], "median": order[middle : middle + SHOWN], "worst": order[-SHOWN:]}


def overlay(data: Prepared, image: Scored, predicted: LabelMap) -> pictures.Pixels:
    """Picture of one image with missed and invented pixels, uint8 (height, width, 3), RGB."""
    entry = image.entry
    intersection, true, found = confusion.overlaps(image.matrix)
    told = [
        f"{name} Dice {dice:.2f}"
        for name, dice, there in zip(data.classes, score.dice(intersection, true, found), true + found, strict=True)
        if there
    ]
    drawn = pictures.enlarge(data.images[entry.position], data.labels[entry.position], predicted)
    legend = {"missed": pictures.MISSED, "invented": pictures.INVENTED, "true outline": pictures.TRUTH}
    return pictures.caption(pictures.errors(*drawn), "  ".join([entry.image, *told]), legend)


def _write_tables(
    held_out: list[Scored], validation: list[Scored], matrix: confusion.Matrix, classes: list[str]
) -> None:
    names = ["background", *classes]
    shares = confusion.shares(matrix)
    outputs.write_table(
        paths.CONFUSION_TABLE,
        ["actual", "predicted", "pixels", "share"],
        [
            (true, predicted, int(matrix[row, column]), float(shares[row, column]))
            for row, true in enumerate(names)
            for column, predicted in enumerate(names)
        ],
    )
    header = ["split", "image", "group", "class", "dice", "true_pixels", "predicted_pixels", "intersection"]
    outputs.write_table(
        paths.IMAGES_TABLE,
        header,
        [
            (split, image.entry.image, image.entry.group, name, float(score.dice(hit, true, found)), true, found, hit)
            for split, images in (("held_out", held_out), ("validation", validation))
            for image in images
            for name, hit, true, found in zip(classes, *confusion.overlaps(image.matrix), strict=True)
        ],
    )


def _tell(metrics: dict[str, Any], classes: list[str]) -> None:
    validation = metrics["validation"]
    print(f"evaluate: held-out fold, {metrics['images']} images (validation: {validation['images']})")
    for name in ("mean_dice", "all_empty_mean_dice", "positive_mean_dice"):
        print(f"evaluate: {name} {_shown(metrics[name])} (validation {_shown(validation[name])})")
    for name in classes:
        told = ", ".join(f"{key} {_shown(value)}" for key, value in metrics["classes"][name].items())
        print(f"evaluate: {name}: positive Dice {_shown(metrics['positive_dice'][name])}, {told}")
        if metrics["collapsed"][name]:
            print(f"evaluate: WARNING: {name} is never predicted: the network has collapsed for this class")


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    command.run(evaluate, __doc__)
