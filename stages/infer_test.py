"""Run the networks on the test images, and store their probabilities.

Reads data/raw and data/model; writes data/test_probabilities and metrics/infer_test.json. All networks are averaged,
including those of train.final and train.blend.
"""

from tqdm import tqdm

from stages.dataset import images, submission
from stages.dataset.layout import Layout
from stages.inference import engines, ensemble, probabilities
from stages.inference.averaging import Network, predictions
from stages.pipeline import cli, outputs, parallel, paths, settings
from stages.pipeline.cli import UserError


def infer_test() -> None:
    """Run the stage."""
    options = settings.load()
    sample = submission.template(paths.SAMPLE_SUBMISSION, Layout.of(options.competition))
    members = ensemble.read(paths.MODEL).members
    networks = [engines.load(options.inference.engine, paths.MODEL / member.folder) for member in members]
    stored = store(options, sample.images, networks)
    count = len(sample.images)
    outputs.write_metrics(
        paths.INFER_TEST_METRICS,
        {"engine": options.inference.engine, "images": count, "megabytes_per_image": stored / count / 1e6},
    )
    print(f"infer_test: {count} images, {stored / count / 1e6:.3f} MB per image: {paths.TEST_PROBABILITIES}")


def store(options: settings.Settings, names: list[str], networks: list[Network]) -> int:
    """Store the averaged probabilities of the test images with these names. Returns their size in bytes.

    Raises:
        UserError: a file is not a photograph of the competition's size.
    """
    size = Layout.of(options.competition).size
    progress = tqdm(names, "infer_test", unit=" images", disable=None)
    photographs = parallel.in_order(lambda name: images.read(paths.TEST_IMAGES / name, *size), progress)
    found = predictions(networks, photographs, options.inference.batch_size, options.inference.flips)
    try:
        with outputs.folder(paths.TEST_PROBABILITIES.parent) as folder:
            return probabilities.write(folder / paths.TEST_PROBABILITIES.name, zip(names, found, strict=True))
    except images.ImageError as error:
        raise UserError(str(error)) from None


if __name__ == "__main__":
    cli.run(infer_test, __doc__)
