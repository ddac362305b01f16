"""Learn from the validation images how good a predicted mask probably is, and test that on the held-out fold.

Reads data/prepared, data/probabilities and data/postprocess.json; writes data/expected_dice.json, with which
`python -m stages segment` gives an expected Dice to each mask of a new photograph, and metrics/expected_dice.json. No
network runs. The masks of each validation image are made with rules that were chosen without it, by networks that were
not trained on it. The held-out fold chooses nothing: it tells how many of the intervals hold.
"""

from typing import Any

import numpy as np

from stages.dataset import descriptions, images, shift
from stages.dataset.prepared import Dataset, Sample
from stages.inference.probabilities import Cache
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.arrays import Float64
from stages.pipeline.progress import bar
from stages.postprocessing import evidence, expectation_file, expectations, rules_file
from stages.postprocessing.expectation_file import Fitted
from stages.postprocessing.reference import Reference
from stages.postprocessing.rules import Rules
from stages.postprocessing.scored import score
from stages.scoring import coverage
from stages.scoring.dice import dice
from stages.scoring.overlaps import of_classes


def expected_dice() -> None:
    """Run the stage."""
    options, data, rules = settings.load(), Dataset(paths.PREPARED), rules_file.read(paths.RULES)
    trained = [sample for sample in data.index if sample.fold != data.held_out]
    described = descriptions.features(data, trained, "expected_dice")
    reference = Reference.of(described, len({sample.group for sample in trained}))
    samples = [sample for fold in options.train.folds for sample in data.fold(fold)]
    cache = Cache(paths.VALIDATION_PROBABILITIES)
    validation = [
        _pairs(data, cache, sample, rules.of(sample.image), reference)
        for sample in bar(samples, "expected_dice: validation")
    ]
    numbers, scores = (np.stack(each) for each in zip(*validation, strict=True))
    model = expectations.fit(data.classes, numbers, scores, np.array([sample.group for sample in samples]))
    expectation_file.write(paths.EXPECTED_DICE, Fitted(model, reference))
    cache = Cache(paths.HELD_OUT_PROBABILITIES)
    held_out = [
        _pairs(data, cache, sample, rules.rules, reference)
        for sample in bar(data.fold(data.held_out), "expected_dice: held out")
    ]
    metrics = coverage.figures(
        (expected, found, bool(marked))
        for numbers, scores in held_out
        for expected, found, marked in zip(model.expected(numbers), scores, expectations.has_mask(numbers), strict=True)
    )
    outputs.write_metrics(paths.EXPECTED_DICE_METRICS, {"level": expectations.LEVEL, "held_out": metrics})
    for kind, figures in metrics.items():
        print(f"expected_dice: {_line(kind, figures)}")


def _pairs(data: Dataset, cache: Cache, sample: Sample, rules: Rules, reference: Reference) -> tuple[Float64, Float64]:
    """Evidence, float64 (classes, numbers), and Dice, float64 (classes,), of an image's predicted masks."""
    prediction = cache[sample.image].restored(data.layout, sample.size)
    scored, labels = score(sample, prediction, data.truth(sample), rules)
    distance = reference.distance(shift.features(images.grey(data.image(sample))))
    return evidence.of_image(prediction, labels, rules, distance), dice(*of_classes(scored.overlaps))


def _line(kind: str, figures: dict[str, Any]) -> str:
    title = {"marked": "predicted masks", "empty": "classes without a predicted mask"}[kind]
    if figures["coverage"] is None:
        return f"{title}: too few in the validation folds, or none in the held-out fold, to expect anything"
    return (
        f"{figures['pairs']} {title} of the held-out fold: expected Dice {figures['expected']:.3f}, found "
        f"{figures['found']:.3f}; {figures['coverage']:.1%} lie in their interval of {expectations.LEVEL:.0%} (95% "
        f"interval {figures['coverage_low']:.1%} to {figures['coverage_high']:.1%})"
    )


if __name__ == "__main__":
    stage.run(expected_dice, __doc__)
