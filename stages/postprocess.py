"""Choose how probabilities become masks: thresholds, gates and smallest areas for each class, on the validation folds.

Reads data/prepared, data/model/notes.json and data/probabilities; writes data/postprocess.json,
metrics/postprocess.json and metrics/reliability.csv. No network runs. The validation images are also split into parts,
and each part gets what the other parts chose: by that evaluate scores them.
"""

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from stages import command, outputs, paths, settings
from stages.command import UserError
from stages.competition.prepared import Entry, Prepared
from stages.masks import fitted, notes, reliability, search, thresholds
from stages.masks import postprocess as rules_of
from stages.masks.cache import Cache
from stages.masks.postprocess import Rules


def postprocess() -> None:
    """Run the stage."""
    options = settings.load()
    data = Prepared(paths.PREPARED)
    entries = [entry for fold in options.train.folds for entry in data.fold(fold)]
    cached = Cache(paths.VALIDATION_PROBABILITIES)
    plan = _plan(options.postprocess, data, options.train.folds)
    tables, counts = [], np.zeros((len(data.classes), 2, 256), np.int64)
    for entry in tqdm(entries, "postprocess", unit=" images", disable=None):
        prediction, true = cached[entry.image], data.labels[entry.position]
        pixels = prediction.pixels
        if plan.factors:
            pixels = rules_of.corrected(pixels, plan.factors, plan.exclusive)
        counts += thresholds.histogram(pixels, true)
        tables.append(search.table(prediction, true, plan))
    rules, parts = _chosen(options, entries, tables, plan)
    fitted.write(paths.RULES, rules, parts)
    errors = reliability.expected_calibration_error(counts)
    _write(rules, errors, counts, data.classes)


def _plan(options: settings.Postprocess, data: Prepared, folds: tuple[int, ...]) -> search.Plan:
    """What is searched: everything that the parameters do not fix."""
    members = notes.read(paths.MODEL).scored
    if options.enabled and options.gate == "presence" and not all(member.presence for member in members):
        raise UserError(
            "params.yaml: postprocess: gate: presence asks every network which classes are present; found some without "
            "an image-level head (train.blend)"
        )
    factors = None
    if options.enabled and options.divide_by_weights:
        if len({member.exclusive for member in members}) > 1:
            raise UserError(
                "params.yaml: postprocess: divide_by_weights: expected networks of one kind, found softmax and sigmoid "
                "ones (train.blend)"
            )
        factors = notes.factors(members, _image_share(data, folds))
    return search.plan(
        len(data.classes),
        (data.images.height, data.images.width),
        options.gate,
        factors,
        notes.exclusive(members),
        thresholds=options.thresholds,
        min_components=options.min_components,
        min_areas=options.min_areas,
        gates=options.gates,
        keep_positive=options.keep_positive,
    )


def _image_share(data: Prepared, folds: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Share of each class in the pixels of the images that are neither held out nor scored here, the background first.

    If every other fold is a validation fold, of those: there are no further images.
    """
    others = [entry for entry in data.index if entry.fold not in (*folds, data.held_out)]
    entries = others or [entry for entry in data.index if entry.fold != data.held_out]
    pixels = np.sum([entry.pixels for entry in entries], axis=0)
    seen = len(entries) * data.images.height * data.images.width
    return np.asarray(np.concatenate([[seen - pixels.sum()], pixels]) / seen)


def _chosen(
    options: settings.Settings, entries: list[Entry], tables: list[search.Table], plan: search.Plan
) -> tuple[Rules, list[tuple[list[str], Rules]]]:
    """Rules for other images, and the validation images in parts with the rules of each."""
    names = [entry.image for entry in entries]
    if not options.postprocess.enabled:
        plain = rules_of.plain(len(plan.thresholds))
        return plain, [(names, plain)]
    part = search.parts(entries, options.postprocess.parts, options.seed)
    crossed = search.crossfit(tables, part, plan)
    members = [[name for name, of in zip(names, part, strict=True) if of == number] for number in range(len(crossed))]
    return search.choose(tables, plan), list(zip(members, crossed, strict=True))


def _write(rules: Rules, errors: list[float | None], counts: npt.NDArray[np.int64], classes: list[str]) -> None:
    outputs.write_table(
        paths.RELIABILITY_TABLE,
        ["class", "probability", "observed", "pixels"],
        [(classes[class_id - 1], *row) for class_id, *row in reliability.curve(counts)],
    )
    chosen = {
        name: {
            "threshold": rule.threshold / rules_of.FULL,
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
    command.run(postprocess, __doc__)
