"""Score the held-out fold, with the ensemble, inference and post-processing of the submission.

Reads data/prepared, data/probabilities and data/postprocess.json; writes metrics/evaluation.json, confusion.csv,
images.csv, classes.csv, presence.csv, precision_recall.csv and pictures, and the predicted masks as data/predicted.csv.
The validation folds are scored too: each by the network that did not train on it, with post-processing that was
chosen on other images. Choose by the validation folds, report the held-out fold. Where the Kaggle notebook's engine or
precision is another, the held-out fold is scored with its probabilities as well.
"""

from typing import Any

from stages.dataset import label_maps, rle
from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset, Sample
from stages.figures import evaluation_pictures
from stages.inference import engines
from stages.inference.engines import Engine
from stages.inference.probabilities import Cache
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.arrays import UInt8
from stages.pipeline.progress import bar
from stages.postprocessing import rules_file
from stages.postprocessing.agreement import Agreement
from stages.postprocessing.rules import Rules, label_map
from stages.postprocessing.scored import score
from stages.scoring import evaluation, evaluation_tables, precision_recall


def evaluate() -> None:
    """Run the stage."""
    options, data, fitted = settings.load(), Dataset(paths.PREPARED), rules_file.read(paths.RULES)
    names, cache = data.classes, Cache(paths.HELD_OUT_PROBABILITIES)
    (engine, _), notebook = engines.read(paths.PROBABILITIES), Agreement(len(names))
    theirs = Cache(paths.NOTEBOOK_PROBABILITIES) if engine != engines.NOTEBOOK else None
    held_out, masks, histogram = [], [], precision_recall.empty_histogram(len(names))
    for sample in bar(data.fold(data.held_out), "evaluate: held out"):
        prediction, true = cache[sample.image].restored(data.layout, sample.size), data.truth(sample)
        image, labels = score(sample, prediction, true, fitted.rules)
        of_class = ((name, label_maps.of_class(labels, class_id)) for class_id, name in enumerate(names, start=1))
        found = [(sample.image, name, rle.encode(mask)) for name, mask in of_class]
        held_out.append(image)
        masks += [row for row in found if row[-1]]
        histogram += precision_recall.histogram(prediction.pixels, true)
        if theirs is not None:
            other = theirs[sample.image].restored(data.layout, sample.size)
            scored, other_labels = score(sample, other, true, fitted.rules)
            notebook.add(scored, labels, other_labels)
    validation, validated = [], Cache(paths.VALIDATION_PROBABILITIES)
    for fold in options.train.folds:
        for sample in bar(data.fold(fold), f"evaluate: fold {fold}"):
            prediction = validated[sample.image].restored(data.layout, sample.size)
            validation.append(score(sample, prediction, data.truth(sample), fitted.of(sample.image))[0])
    metric = Layout.of(options.competition).metric
    metrics = evaluation.figures(held_out, names, metric) | {"validation": evaluation.headline(validation, metric)}
    if theirs is not None:
        metrics["notebook"] = notebook.figures(metric)
    curve = [(names[class_id - 1], *row) for class_id, *row in precision_recall.curve(histogram)]
    tables = {
        paths.CONFUSION_TABLE: evaluation_tables.confusion_table(evaluation.total(held_out), ["background", *names]),
        paths.IMAGES_TABLE: evaluation_tables.image_table(
            {"held_out": held_out, "validation": validation}, names, metric
        ),
        paths.PRESENCE_TABLE: evaluation_tables.presence_table(held_out, names),
        paths.CLASSES_TABLE: evaluation_tables.class_table(metrics, names),
    }
    for path, table in tables.items():
        outputs.write_table(path, table.columns.tolist(), table.itertuples(index=False))
    outputs.write_table(paths.PRECISION_RECALL_TABLE, ["class", "threshold", "precision", "recall"], curve)
    outputs.write_table(paths.PREDICTED_MASKS, ["image", "class", "run_lengths"], masks)
    with outputs.folder(paths.EVALUATION_PICTURES) as folder:
        # The label maps of the few images shown are computed again: keeping those of all images would fill memory.
        evaluation_pictures.draw(folder, data, held_out, lambda sample: _label_map(cache, data, sample, fitted.rules))
    outputs.write_metrics(paths.EVALUATION_METRICS, metrics)
    for line in evaluation.summary(metrics, names, metric):
        print(f"evaluate: {line}")
    print(f"evaluate: {_by(engine, metrics.get('notebook'), notebook)}")


def _by(engine: Engine, figures: dict[str, Any] | None, notebook: Agreement) -> str:
    """What computed the probabilities, and what the notebook's way gives if it is another."""
    if figures is None:
        return f"by {engine}, as in the notebook"
    scores = (figures[name] for name in ("mean_dice", "positive_mean_dice"))
    shown = " / ".join("undefined" if value is None else f"{value:.4f}" for value in scores)
    return (
        f"by {engine}; the notebook's way ({engines.NOTEBOOK}) scores {shown}; {notebook.different_pixels:,} of "
        f"{notebook.pixels:,} pixels differ"
    )


def _label_map(cache: Cache, data: Dataset, sample: Sample, rules: Rules) -> UInt8:
    return label_map(cache[sample.image].restored(data.layout, sample.size), rules)


if __name__ == "__main__":
    stage.run(evaluate, __doc__)
