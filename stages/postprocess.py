"""Choose how probabilities become masks: thresholds, gates and smallest areas of each class, on the validation folds.

Reads data/prepared, data/model/ensemble.json and data/probabilities; writes data/postprocess.json,
metrics/postprocess.json and metrics/reliability.csv. No network runs. The validation images are also split into parts.
The rules for each part are chosen on the other parts; evaluate scores the validation images with those.
"""

import math
from typing import Any

from tqdm import tqdm

from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset
from stages.inference import correction, ensemble
from stages.inference.probabilities import Cache
from stages.pipeline import outputs, paths, settings, stage
from stages.postprocessing import rules_file, search
from stages.postprocessing.counts import count
from stages.postprocessing.prediction import FULL
from stages.postprocessing.rules import Rule, Rules, corrected, plain
from stages.postprocessing.search_space import search_space
from stages.scoring import calibration, precision_recall


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
    cache, counts = Cache(paths.VALIDATION_PROBABILITIES), []
    histogram = precision_recall.empty_histogram(len(data.classes))
    for sample in tqdm(samples, "postprocess", unit=" images", disable=None):
        prediction = cache[sample.image].restored(data.layout, sample.size)
        prediction, true = corrected(prediction, space.factors, space.softmax), data.truth(sample)
        histogram += precision_recall.histogram(prediction.pixels, true)
        counts.append(count(prediction, true, space))
    if options.postprocess.enabled:
        rules, parts = search.fit(samples, counts, space, options.postprocess.parts, options.seed)
    else:
        rules = plain(len(data.classes), layout.overlapping)
        parts = [([sample.image for sample in samples], rules)]
    rules_file.write(paths.RULES, rules, parts)
    curve = [(data.classes[class_id - 1], *row) for class_id, *row in calibration.curve(histogram)]
    outputs.write_table(paths.RELIABILITY_TABLE, ["class", "probability", "observed", "pixels"], curve)
    errors = calibration.expected_calibration_error(histogram)
    chosen = zip(data.classes, rules.rules, errors, strict=True)
    metrics = {name: _figures(rule, error) for name, rule, error in chosen}
    outputs.write_metrics(paths.POSTPROCESS_METRICS, metrics)
    _report(rules, data.classes)
    if layout.metric.joined and layout.overlapping and options.postprocess.enabled:
        print("postprocess: classes overlap: each was searched by its own score, not by that of the joined masks")


def _figures(rule: Rule, error: float | None) -> dict[str, Any]:
    bounds = {"gate": rule.gate, "min_area": rule.min_area, "min_component": rule.min_component}
    return {"threshold": rule.threshold / FULL, "calibration_error": error} | bounds


def _report(rules: Rules, classes: list[str]) -> None:
    for name, rule in zip(classes, rules.rules, strict=True):
        print(
            f"postprocess: {name}: probability >= {rule.threshold / FULL:.2f}, gate ({rules.gate}) >= {rule.gate}, "
            f"mask >= {rule.min_area} pixels, each component >= {rule.min_component}"
        )


if __name__ == "__main__":
    stage.run(postprocess, __doc__)
