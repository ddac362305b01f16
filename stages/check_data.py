"""Check the prepared data, before anything is trained, for what makes figures misleading.

Looks for folds or test images that differ from the images trained on, near-duplicates in different folds, too few
examples of a class, and test images of another size. Reads data/prepared and data/raw/test_images; writes
metrics/check_data.json, and prints every finding, which is also in data/check_data.txt. A problem or a warning stops
nothing.
"""

from stages.dataset import checks, descriptions, validation
from stages.dataset.findings import Severity, count, serious
from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset
from stages.pipeline import outputs, paths, settings, stage
from stages.scoring import bootstrap


def check_data() -> None:
    """Run the stage."""
    options = settings.load()
    layout, threshold = Layout.of(options.competition), options.preprocess.duplicate_correlation
    data = Dataset(paths.PREPARED)
    training = descriptions.training_images(data)
    with validation.explaining_how_to_correct():
        test = descriptions.test_images(paths.TEST_IMAGES, layout)

    folds, of_folds = checks.folds(data, training, options.train.folds)
    sizes, of_sizes = checks.sizes(test, layout)
    shift, of_shift = checks.test_images(training, test.described, threshold)
    leakage, of_leakage = checks.leakage(data, test.described, threshold)
    classes, of_classes = checks.rare_classes(data, options.train.folds, bootstrap.FEWEST)

    findings = [*of_folds, *of_sizes, *of_shift, *of_leakage, *of_classes]
    problems, warnings = count(findings, Severity.PROBLEM), count(findings, Severity.WARNING)
    metrics = {**folds, "test": {**sizes, **shift}, "leakage": leakage, "classes": classes}
    told = {str(number): str(finding) for number, finding in enumerate(serious(findings), start=1)}
    counts = {"problems": problems, "warnings": warnings, "findings": told}
    outputs.write_metrics(paths.CHECK_DATA_METRICS, metrics | counts)
    lines = [*map(str, findings), f"{problems} problem(s), {warnings} warning(s)"]
    outputs.write_lines(paths.CHECK_DATA_TEXT, lines)
    for line in lines:
        print(f"check_data: {line}")


if __name__ == "__main__":
    stage.run(check_data, __doc__)
