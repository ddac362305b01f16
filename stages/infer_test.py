"""Run the networks on the test images, and store their probabilities.

Reads data/raw and data/model; writes data/test_probabilities and metrics/infer_test.json. All networks are averaged,
that of train.final and those of train.blend included.
"""

from tqdm import tqdm

from stages import command, outputs, paths, settings
from stages.command import UserError
from stages.competition import images, submission
from stages.masks import cache, notes
from stages.network import inference


def infer_test() -> None:
    """Run the stage."""
    options = settings.load()
    competition = options.competition
    sample = submission.template(paths.SAMPLE_SUBMISSION, len(competition.classes))
    networks = [inference.load(paths.MODEL / member.folder) for member in notes.read(paths.MODEL).members]
    files = [paths.TEST_IMAGES / name for name in sample.images]
    progress = tqdm(files, "infer_test", unit=" images", disable=None)
    size = (competition.image_height, competition.image_width)
    photographs = images.in_parallel(lambda file: images.read(file, *size), progress)
    found = inference.predictions(networks, photographs, options.inference.batch_size, options.inference.flips)
    try:
        with outputs.folder(paths.TEST_PROBABILITIES.parent) as folder:
            stored = cache.write(folder / paths.TEST_PROBABILITIES.name, zip(sample.images, found, strict=True))
    except images.ImageError as error:
        raise UserError(str(error)) from None
    count = len(files)
    outputs.write_metrics(paths.INFER_TEST_METRICS, {"images": count, "megabytes_per_image": stored / count / 1e6})
    print(f"infer_test: {count} images, {stored / count / 1e6:.3f} MB an image: {paths.TEST_PROBABILITIES}")


if __name__ == "__main__":
    command.run(infer_test, __doc__)
