"""Choose how probabilities become masks: thresholds, gates and smallest areas of each class, on the validation folds.

Reads data/prepared, data/model/ensemble.json and data/probabilities; writes data/postprocess.json,
metrics/postprocess.json and metrics/reliability.csv. No network runs. The validation images are also split into parts.
The rules for each part are chosen on the other parts; evaluate scores the validation images with those. So does this
stage, to say how many of the images with a class are found, and to warn if post-processing costs much Dice.
"""

import math
from typing import Any

from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset, Sample
from stages.inference import correction, ensemble
from stages.inference.probabilities import Cache
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.arrays import Int64
from stages.pipeline.progress import bar
from stages.postprocessing import rules_file, search
from stages.postprocessing.class_weights import corrected
from stages.postprocessing.counts import ImageCounts, count
from stages.postprocessing.prediction import FULL
from stages.postprocessing.rules import Rule, Rules, plain
from stages.postprocessing.scored import score
from stages.postprocessing.search_space import SearchSpace, search_space
from stages.scoring import calibration, detection, evaluation, precision_recall
from stages.scoring.evaluation import ScoredImage


def postprocess() -> None:
    """Run the stage."""
    options, data = settings.load(), Dataset(paths.PREPARED)
    samples = [sample for fold in options.train.folds for sample in data.fold(fold)]
    members = ensemble.read(paths.MODEL).scored
    correction.check_presence(options.postprocess, members)
    factors = correction.factors(options.postprocess, members, data, options.train.folds)
    size = sorted((data.layout.scored_size(sample.size) for sample in samples), key=math.prod)[len(samples) // 2]
    layout = Layout.of(options.competition)
    space = search_space(options.postprocess, layout, size, factors, ensemble.softmax(members))
    cache = Cache(paths.VALIDATION_PROBABILITIES)
    counts, histogram = _counted(data, cache, samples, space)
    if options.postprocess.enabled:
        rules, parts = search.fit(samples, counts, space, options.postprocess.parts, options.seed)
    else:
        rules = plain(len(data.classes), layout.overlapping)
        parts = [([sample.image for sample in samples], rules)]
    rules_file.write(paths.RULES, rules, parts)
    curve = [(data.classes[class_id - 1], *row) for class_id, *row in calibration.curve(histogram)]
    outputs.write_table(paths.RELIABILITY_TABLE, ["class", "probability", "observed", "pixels"], curve)
    validation = _validated(data, cache, samples)
    errors = calibration.expected_calibration_error(histogram)
    headline = evaluation.headline(validation)
    warning = evaluation.warning(headline, options.postprocess)
    metrics = {"classes": _of_classes(data.classes, rules, errors, validation)} | _cost(headline, warning)
    outputs.write_metrics(paths.POSTPROCESS_METRICS, metrics)
    _report(rules, metrics["classes"])
    if options.postprocess.enabled:
        _report_search(counts, space, data.classes)
    if warning is not None:
        print(f"postprocess: WARNING: {warning}")


def _counted(data: Dataset, cache: Cache, samples: list[Sample], space: SearchSpace) -> tuple[list[ImageCounts], Int64]:
    """What the search has to know about each image, and the histogram of their probabilities."""
    counts, histogram = [], precision_recall.empty_histogram(len(data.classes))
    for sample in bar(samples, "postprocess"):
        prediction = cache[sample.image].restored(data.layout, sample.size)
        prediction, true = corrected(prediction, space.factors, space.softmax), data.truth(sample)
        histogram += precision_recall.histogram(prediction.pixels, true)
        counts.append(count(prediction, true, space))
    return counts, histogram


def _validated(data: Dataset, cache: Cache, samples: list[Sample]) -> list[ScoredImage]:
    """The validation images, each scored with the rules that were chosen without it.

    The counts of the search would not do: they leave out that a pixel goes to the second most probable class where the
    first is not allowed.
    """
    fitted = rules_file.read(paths.RULES)
    return [
        score(
            sample,
            cache[sample.image].restored(data.layout, sample.size),
            data.truth(sample),
            fitted.of(sample.image),
        )[0]
        for sample in bar(samples, "postprocess: scores")
    ]


def _of_classes(
    classes: list[str], rules: Rules, errors: list[float | None], validation: list[ScoredImage]
) -> dict[str, Any]:
    """The figures of each class in metrics/postprocess.json."""
    found = detection.figures(*evaluation.of_classes(validation))
    return {
        name: _bounds(rule) | {"calibration_error": error} | figures
        for name, rule, error, figures in zip(classes, rules.rules, errors, found, strict=True)
    }


def _cost(headline: dict[str, Any], warning: str | None) -> dict[str, Any]:
    """What post-processing costs, in metrics/postprocess.json."""
    return {
        "positive_mean_dice": headline["positive_mean_dice"],
        "positive_mean_dice_without": headline["without_postprocessing"]["positive_mean_dice"],
        "lost_dice": evaluation.lost_dice(headline),
        "warning": int(warning is not None),
    }


def _bounds(rule: Rule) -> dict[str, Any]:
    bounds = {name: getattr(rule, name) for name in ("gate", "min_area", "min_component", "veto")}
    return bounds | {"threshold": rule.threshold / FULL}


def _report(rules: Rules, figures: dict[str, dict[str, Any]]) -> None:
    for (name, found), rule in zip(figures.items(), rules.rules, strict=True):
        shares = [found[key] for key in ("image_recall", "image_precision")]
        recall, precision = ("undefined" if share is None else f"{share:.3f}" for share in shares)
        veto = f" (times up to {1 + rule.veto} as presence falls)" if rule.veto else ""
        print(
            f"postprocess: {name}: probability >= {rule.threshold / FULL:.2f}, gate ({rules.gate}) >= {rule.gate}, "
            f"mask >= {rule.min_area} pixels{veto}, each component >= {rule.min_component}; found in {recall} of the "
            f"images that show it, and {precision} of the images with a mask are right (cross-fitted)"
        )


def _report_search(counts: list[ImageCounts], space: SearchSpace, classes: list[str]) -> None:
    for name, highest in zip(classes, search.unreached(counts, space), strict=True):
        if highest is not None:
            print(
                f"postprocess: {name}: no setting reaches postprocess.min_precision = {space.min_precision}: the one "
                f"with the highest precision, {highest:.3f}, is taken"
            )
    if space.metric.joined and space.overlapping and space.objective == "competition":
        print("postprocess: classes overlap: each was searched by its own score, not by that of the joined masks")


if __name__ == "__main__":
    stage.run(postprocess, __doc__)
