"""Run the networks on the validation folds and the held-out fold, and store their probabilities.

Reads data/prepared and data/model; writes data/probabilities and metrics/infer.json. Each validation fold goes through
the networks that were not trained on it; the held-out fold through all networks that were not trained on it. The
network of train.final was trained on every fold and is left out here. Where the engine or the precision is not the
Kaggle notebook's, the held-out fold is computed in the notebook's way as well, so that evaluate can say what differs.
"""

from collections.abc import Iterator

from stages.dataset.prepared import Dataset, Sample
from stages.inference import averaging, engines, ensemble, probabilities
from stages.inference.networks import Networks
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.progress import bar
from stages.postprocessing.prediction import Prediction


def infer() -> None:
    """Run the stage."""
    options, data = settings.load(), Dataset(paths.PREPARED)
    networks = Networks(engines.chosen(options.inference))
    views = averaging.Views(options.inference.flips, options.inference.scales)

    def averaged(
        by: Networks, members: list[ensemble.EnsembleMember], samples: list[Sample], title: str
    ) -> Iterator[tuple[str, Prediction]]:
        loaded = by.of(members)
        images = (data.image(sample) for sample in bar(samples, title))
        found = averaging.of_images(loaded, images, data.layout, options.inference.batch_size, views)
        return zip((sample.image for sample in samples), found, strict=True)

    def validation() -> Iterator[tuple[str, Prediction]]:
        for fold in options.train.folds:
            yield from averaged(networks, networks.ensemble.of_fold(fold), data.fold(fold), f"infer: fold {fold}")

    def on_held_out(by: Networks, title: str) -> Iterator[tuple[str, Prediction]]:
        return averaged(by, by.ensemble.scored, held_out, title)

    held_out = data.fold(data.held_out)
    with outputs.folder(paths.PROBABILITIES) as folder:
        size = probabilities.write(folder / paths.VALIDATION_PROBABILITIES.name, validation())
        size += probabilities.write(
            folder / paths.HELD_OUT_PROBABILITIES.name, on_held_out(networks, "infer: held out")
        )
        engines.write(folder, networks.engine, views)
        if networks.engine != engines.NOTEBOOK:
            theirs = on_held_out(Networks(engines.NOTEBOOK), f"infer: held out, {engines.NOTEBOOK}")
            probabilities.write(folder / paths.NOTEBOOK_PROBABILITIES.name, theirs)
    images = len(held_out) + sum(len(data.fold(fold)) for fold in options.train.folds)
    outputs.write_metrics(
        paths.INFER_METRICS,
        networks.engine.metrics | {"images": images, "megabytes_per_image": size / images / 1e6},
    )
    print(f"infer: {images} images, {networks.engine}, {size / images / 1e6:.3f} MB per image: {paths.PROBABILITIES}")


if __name__ == "__main__":
    stage.run(infer, __doc__)
