"""Score the held-out fold, with the ensemble, inference and post-processing that predict uses.

Reads data/prepared, data/probabilities and data/postprocess.json; writes metrics/evaluation.json, confusion.csv,
images.csv, classes.csv, presence.csv, precision_recall.csv and pictures, and the predicted masks as data/predicted.csv.
The validation folds, each scored by the network that did not train on it and with post-processing that other images
chose, stand beside: choose by those, report the held-out fold.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from tqdm import tqdm

from stages.dataset import rle
from stages.dataset.prepared import Dataset, Sample
from stages.figures import confusion_chart, overlays
from stages.inference.probabilities import Cache
from stages.pipeline import cli, outputs, paths, settings
from stages.postprocessing import rules as postprocess
from stages.postprocessing import rules_file
from stages.postprocessing.prediction import FULL, HALF
from stages.postprocessing.rules import Rules
from stages.scoring import confusion, evaluation, precision_recall
from stages.scoring import dice as score
from stages.scoring.evaluation import Scored

SHOWN = 3  # best, median and worst images of the overlay pictures


def evaluate() -> None:
    """Run the stage."""
    options = settings.load()
    data = Dataset(paths.PREPARED)
    chosen = rules_file.read(paths.RULES)
    histogram = np.zeros((len(data.classes), 2, precision_recall.LEVELS), np.int64)
    held_out = list(
        scored(
            Cache(paths.HELD_OUT_PROBABILITIES),
            data,
            data.fold(data.held_out),
            lambda _: chosen.rules,
            "evaluate: held out",
            lambda counts: np.add(histogram, counts, out=histogram),
        )
    )
    cached = Cache(paths.VALIDATION_PROBABILITIES)
    validation = [
        image
        for fold in options.train.folds
        for image in scored(cached, data, data.fold(fold), chosen.of_image.__getitem__, f"evaluate: fold {fold}")
    ]
    beside = evaluation.headline(validation) | {"without_postprocessing": evaluation.without_postprocessing(validation)}
    metrics = evaluation.figures(held_out, data.classes) | {"validation": beside}
    _write_tables(held_out, validation, data.classes, metrics)
    _write_curves(histogram, data.classes)
    with outputs.folder(paths.EVALUATION_PICTURES) as folder:
        confusion_chart.draw(evaluation.total(held_out), ["background", *data.classes], folder / "confusion.png")
        for title, images in evaluation.ranked(held_out, SHOWN).items():
            overlays.save(overlays.stack([overlay(data, image) for image in images]), folder / f"{title}.jpg")
    outputs.write_metrics(paths.EVALUATION_METRICS, metrics)
    _tell(metrics, data.classes)


def scored(
    cached: Cache,
    data: Dataset,
    samples: list[Sample],
    rules_of: Callable[[str], Rules],
    title: str,
    count: Callable[[precision_recall.Histogram], object] | None = None,
) -> Iterator[Scored]:
    """Make masks of images; count each one's pixels by true and predicted class and, for `count`, by probability."""
    classes = len(data.classes)
    plain = postprocess.plain(classes)
    for sample in tqdm(samples, title, unit=" images", disable=None):
        prediction, rules = cached[sample.image], rules_of(sample.image)
        true, predicted = data.labels[sample.position], postprocess.label_map(prediction, rules)
        if count:
            count(precision_recall.histogram(prediction.pixels, true))
        yield Scored(
            sample,
            confusion.matrix(true, predicted, classes),
            confusion.matrix(true, postprocess.label_map(prediction, plain), classes),
            [rle.encode(predicted == class_id) for class_id in range(1, classes + 1)],
            postprocess.allowed(prediction, rules),
            (prediction.presence >= HALF).tolist() if (prediction.presence < FULL).any() else None,
        )


def overlay(data: Dataset, image: Scored) -> overlays.Pixels:
    """Picture of one image with missed and invented pixels, uint8 (height, width, 3), RGB."""
    sample = image.sample
    intersection, true, found = confusion.overlaps(image.matrix)
    told = [
        f"{name} Dice {dice:.2f}"
        for name, dice, there in zip(data.classes, score.dice(intersection, true, found), true + found, strict=True)
        if there
    ]
    predicted = np.zeros((data.labels.height, data.labels.width), np.uint8)
    for class_id, mask in enumerate(image.masks, start=1):
        predicted[rle.decode(mask, *predicted.shape)] = class_id
    drawn = overlays.enlarge(data.images[sample.position], data.labels[sample.position], predicted)
    legend = {"missed": overlays.FALSE_NEGATIVE, "invented": overlays.FALSE_POSITIVE, "true outline": overlays.TRUTH}
    return overlays.caption(overlays.errors(*drawn), "  ".join([sample.image, *told]), legend)


def _write_tables(
    held_out: list[Scored], validation: list[Scored], classes: list[str], metrics: dict[str, Any]
) -> None:
    names = ["background", *classes]
    matrix = evaluation.total(held_out)
    outputs.write_table(
        paths.CONFUSION_TABLE,
        ["actual", "predicted", "pixels", "share"],
        [
            (true, predicted, int(matrix[row, column]), metrics["confusion"][true][predicted])
            for row, true in enumerate(names)
            for column, predicted in enumerate(names)
        ],
    )
    outputs.write_table(
        paths.IMAGES_TABLE,
        ["split", "image", "group", "class", "dice", "true_pixels", "predicted_pixels", "intersection"],
        [
            (split, image.sample.image, image.sample.group, name, float(score.dice(hit, true, found)), true, found, hit)
            for split, images in (("held_out", held_out), ("validation", validation))
            for image in images
            for name, hit, true, found in zip(classes, *confusion.overlaps(image.matrix), strict=True)
        ],
    )
    outputs.write_table(
        paths.PREDICTED_MASKS,
        ["image", "class", "run_lengths"],
        [
            (image.sample.image, name, mask)
            for image in held_out
            for name, mask in zip(classes, image.masks, strict=True)
            if mask
        ],
    )
    outputs.write_table(
        paths.PRESENCE_TABLE,
        ["decided_by", "class", "actual", "predicted", "images", "share"],
        [
            (who, name, true, predicted, int(matrix[row, column]), float(confusion.shares(matrix)[row, column]))
            for who, of_class in evaluation.presence(held_out, classes).items()
            for name, matrix in of_class.items()
            for row, true in enumerate(evaluation.ABSENT_PRESENT)
            for column, predicted in enumerate(evaluation.ABSENT_PRESENT)
        ],
    )
    figures = {name: metrics["classes"][name] | {"Dice": metrics["positive_dice"][name]} for name in classes}
    titles = {"precision": "precision", "recall": "recall", "iou": "IoU", "Dice": "Dice"}
    outputs.write_table(
        paths.CLASSES_TABLE,
        ["class", "figure", "value"],
        [
            (name, title, figures[name][figure])
            for name in classes
            for figure, title in titles.items()
            if figures[name][figure] is not None
        ],
    )


def _write_curves(histogram: precision_recall.Histogram, classes: list[str]) -> None:
    outputs.write_table(
        paths.PRECISION_RECALL_TABLE,
        ["class", "threshold", "precision", "recall"],
        [(classes[class_id - 1], *row) for class_id, *row in precision_recall.curve(histogram)],
    )


def _tell(metrics: dict[str, Any], classes: list[str]) -> None:
    validation = metrics["validation"]
    print(f"evaluate: held-out fold, {metrics['images']} images (validation: {validation['images']})")
    for name in ("mean_dice", "all_empty_mean_dice", "positive_mean_dice"):
        print(f"evaluate: {name} {_shown(metrics[name])} (validation {_shown(validation[name])})")
    without, beside = metrics["without_postprocessing"], validation["without_postprocessing"]
    for name, value in without.items():
        print(f"evaluate: without post-processing, {name} {_shown(value)} (validation {_shown(beside[name])})")
    for name in classes:
        told = ", ".join(f"{key} {_shown(value)}" for key, value in metrics["classes"][name].items())
        print(f"evaluate: {name}: positive Dice {_shown(metrics['positive_dice'][name])}, {told}")
        if metrics["collapsed"][name]:
            print(f"evaluate: WARNING: {name} is never predicted: the network has collapsed for this class")


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    cli.run(evaluate, __doc__)
