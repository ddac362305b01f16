"""Choose how probabilities become masks: thresholds, gates and smallest areas for each class, on the validation folds.

Reads data/prepared, data/model/ensemble.json and data/probabilities; writes data/postprocess.json,
metrics/postprocess.json and metrics/reliability.csv. No network runs. The validation images are also split into parts,
and each part gets what the other parts chose: by that evaluate scores them.
"""

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from stages.dataset.prepared import Dataset, Sample
from stages.inference import ensemble
from stages.inference.probabilities import Cache
from stages.pipeline import cli, outputs, paths, settings
from stages.pipeline.cli import UserError
from stages.postprocessing import rules as rules_of
from stages.postprocessing import rules_file, search
from stages.postprocessing.prediction import FULL
from stages.postprocessing.rules import Rules
from stages.scoring import calibration, precision_recall


def postprocess() -> None:
    """Run the stage."""
    options = settings.load()
    data = Dataset(paths.PREPARED)
    samples = [sample for fold in options.train.folds for sample in data.fold(fold)]
    cached = Cache(paths.VALIDATION_PROBABILITIES)
    plan = _plan(options.postprocess, data, options.train.folds)
    tables, counts = [], np.zeros((len(data.classes), 2, 256), np.int64)
    for sample in tqdm(samples, "postprocess", unit=" images", disable=None):
        prediction, true = cached[sample.image], data.labels[sample.position]
        pixels = prediction.pixels
        if plan.factors:
            pixels = rules_of.corrected(pixels, plan.factors, plan.softmax)
        counts += precision_recall.histogram(pixels, true)
        tables.append(search.table(prediction, true, plan))
    rules, parts = _chosen(options, samples, tables, plan)
    rules_file.write(paths.RULES, rules, parts)
    errors = calibration.expected_calibration_error(counts)
    _write(rules, errors, counts, data.classes)


def _plan(options: settings.Postprocess, data: Dataset, folds: tuple[int, ...]) -> search.Plan:
    """What is searched: everything that the parameters do not fix."""
    members = ensemble.read(paths.MODEL).scored
    if options.enabled and options.gate == "presence" and not all(member.presence for member in members):
        raise UserError(
            "params.yaml: postprocess: gate: presence asks every network which classes are present; found some without "
            "an image-level head (train.blend)"
        )
    factors = None
    if options.enabled and options.divide_by_weights:
        if len({member.softmax for member in members}) > 1:
            raise UserError(
                "params.yaml: postprocess: divide_by_weights: expected networks of one kind, found softmax and sigmoid "
                "ones (train.blend)"
            )
        factors = ensemble.factors(members, _image_share(data, folds))
    return search.plan(
        len(data.classes),
        (data.images.height, data.images.width),
        options.gate,
        factors,
        ensemble.softmax(members),
        thresholds=options.thresholds,
        min_components=options.min_components,
        min_areas=options.min_areas,
        gates=options.gates,
        min_positive_dice_ratio=options.min_positive_dice_ratio,
    )


def _image_share(data: Dataset, folds: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Share of each class in the pixels of the images that are neither held out nor scored here, the background first.

    If every other fold is a validation fold, of those: there are no further images.
    """
    others = [sample for sample in data.index if sample.fold not in (*folds, data.held_out)]
    samples = others or [sample for sample in data.index if sample.fold != data.held_out]
    pixels = np.sum([sample.pixels for sample in samples], axis=0)
    seen = len(samples) * data.images.height * data.images.width
    return np.asarray(np.concatenate([[seen - pixels.sum()], pixels]) / seen)


def _chosen(
    options: settings.Settings, samples: list[Sample], tables: list[search.Table], plan: search.Plan
) -> tuple[Rules, list[tuple[list[str], Rules]]]:
    """Rules for other images, and the validation images in parts with the rules of each."""
    names = [sample.image for sample in samples]
    if not options.postprocess.enabled:
        plain = rules_of.plain(len(plan.thresholds))
        return plain, [(names, plain)]
    part = search.parts(samples, options.postprocess.parts, options.seed)
    crossed = search.crossfit(tables, part, plan)
    members = [[name for name, of in zip(names, part, strict=True) if of == number] for number in range(len(crossed))]
    return search.choose(tables, plan), list(zip(members, crossed, strict=True))


def _write(rules: Rules, errors: list[float | None], counts: npt.NDArray[np.int64], classes: list[str]) -> None:
    outputs.write_table(
        paths.RELIABILITY_TABLE,
        ["class", "probability", "observed", "pixels"],
        [(classes[class_id - 1], *row) for class_id, *row in calibration.curve(counts)],
    )
    chosen = {
        name: {
            "threshold": rule.threshold / FULL,
            "gate": rule.gate,
            "min_area": rule.min_area,
            "min_component": rule.min_component,
            "calibration_error": error,
        }
        for name, rule, error in zip(classes, rules.rules, errors, strict=True)
    }
    outputs.write_metrics(paths.POSTPROCESS_METRICS, chosen)
    for name, of in chosen.items():
        print(
            f"postprocess: {name}: probability from {of['threshold']:.2f}, gate ({rules.gate}) from {of['gate']}, "
            f"mask from {of['min_area']} pixels, each part from {of['min_component']}"
        )


if __name__ == "__main__":
    cli.run(postprocess, __doc__)
