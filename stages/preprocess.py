"""Check the training images and masks, make folds, and store everything in the form that training reads fast.

Reads data/raw and kept_folds.csv; writes data/prepared and metrics/preprocess.json.
"""

from stages.dataset import kept_folds, preparation, validation
from stages.dataset.layout import Layout
from stages.pipeline import outputs, paths, settings, stage


def preprocess() -> None:
    """Run the stage."""
    options = settings.load()
    layout = Layout.of(options.competition)
    count = options.preprocess.folds
    table = kept_folds.read(paths.KEPT_FOLDS, count)
    with outputs.folder(paths.PREPARED) as folder:
        with validation.explaining_how_to_correct():
            names = validation.training_images(layout, count)
            measured = preparation.store(names, layout, folder)
        kept = kept_folds.of(table, measured.names, measured.contents, paths.KEPT_FOLDS)
        folds = preparation.divide(measured, options.preprocess, options.seed, kept.fold)
        preparation.write_index(measured, folds, folder)
        kept_folds.write(folder / paths.FOLDS_TABLE.name, measured.names, folds.fold, measured.contents)
    figures = preparation.figures(measured, folds)
    if table:
        figures["kept_folds"] = kept_folds.figures(kept, folds.fold, count - 1)
    outputs.write_metrics(paths.PREPROCESS_METRICS, figures)
    for line in [*preparation.describe(figures, layout), *kept_folds.describe(figures.get("kept_folds"))]:
        print(f"preprocess: {line}")


if __name__ == "__main__":
    stage.run(preprocess, __doc__)
