"""Run the networks on the test images, and store their probabilities.

Reads data/raw and data/model; writes data/test_probabilities and metrics/infer_test.json. All networks are averaged,
including those of train.final and train.blend.
"""

from pathlib import Path

from stages.dataset import geometry, images, sample_submission, validation
from stages.dataset.layout import Layout
from stages.inference import averaging, engines, probabilities
from stages.inference.averaging import Network
from stages.inference.engines import Engine
from stages.inference.networks import Networks
from stages.pipeline import outputs, parallel, paths, settings, stage
from stages.pipeline.cli import UserError
from stages.pipeline.progress import bar


def infer_test() -> None:
    """Run the stage."""
    options = settings.load()
    layout = Layout.of(options.competition)
    sample = sample_submission.read(paths.SAMPLE_SUBMISSION, layout)
    files = dict(zip(sample.images, validation.test_files(sample.images), strict=True))
    networks = Networks(engines.chosen(options.inference))
    stored = store(options.inference, layout, files, networks.engine, networks.of(networks.ensemble.members))
    count = len(sample.images)
    outputs.write_metrics(
        paths.INFER_TEST_METRICS,
        networks.engine.metrics | {"images": count, "megabytes_per_image": stored / max(count, 1) / 1e6},
    )
    print(
        f"infer_test: {count} images, {networks.engine}, {stored / max(count, 1) / 1e6:.3f} MB per image: "
        f"{paths.TEST_PROBABILITIES}"
    )


def store(
    options: settings.Inference, layout: Layout, files: dict[str, Path], engine: Engine, networks: list[Network]
) -> int:
    """Store the averaged probabilities of the test images, by id, and what computes them. Returns their size in bytes.

    Raises:
        UserError: a file is not an image as the competition has them.
    """
    progress = bar(files.values(), "infer_test")
    photographs = parallel.in_order(lambda file: geometry.read(file, layout)[0], progress)
    views = averaging.Views(options.flips, options.scales)
    found = averaging.of_images(networks, photographs, layout, options.batch_size, views)
    try:
        with outputs.folder(paths.TEST_PROBABILITIES.parent) as folder:
            engines.write(folder, engine, views)
            return probabilities.write(folder / paths.TEST_PROBABILITIES.name, zip(files, found, strict=True))
    except images.ImageError as error:
        raise UserError(str(error)) from None


if __name__ == "__main__":
    stage.run(infer_test, __doc__)
