"""Check the training images and masks, make folds, and store everything in the form that training reads fast.

Reads data/raw; writes data/prepared and metrics/preprocess.json.
"""

from stages.dataset import preparation, validation
from stages.dataset.layout import Layout
from stages.pipeline import outputs, paths, settings, stage


def preprocess() -> None:
    """Run the stage."""
    options = settings.load()
    layout = Layout.of(options.competition)
    count = options.preprocess.folds
    with outputs.folder(paths.PREPARED) as folder:
        with validation.explaining_how_to_correct():
            names = validation.training_images(layout, count)
            measured = preparation.store(names, layout, folder)
        folds = preparation.divide(measured, options.preprocess, options.seed)
        preparation.write_index(measured, folds, folder)
    figures = preparation.figures(measured, folds)
    outputs.write_metrics(paths.PREPROCESS_METRICS, figures)
    for line in preparation.describe(figures, layout):
        print(f"preprocess: {line}")


if __name__ == "__main__":
    stage.run(preprocess, __doc__)
