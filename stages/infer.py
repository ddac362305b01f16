"""Run the networks on the validation folds and the held-out fold, and store their probabilities.

Reads data/prepared and data/model; writes data/probabilities and metrics/infer.json. Each validation fold is seen by
the networks that were not trained on it; the held-out fold by all that were not, which is what predict averages. A
network of train.final has seen everything, and takes no part here.
"""

from collections.abc import Iterator

from tqdm import tqdm

from stages import command, outputs, paths, settings
from stages.competition.prepared import Entry, Prepared
from stages.masks import cache, notes
from stages.masks.postprocess import Prediction
from stages.network import inference


def infer() -> None:
    """Run the stage."""
    options = settings.load()
    data = Prepared(paths.PREPARED)
    noted = notes.read(paths.MODEL)

    def predictions(members: list[notes.Member], entries: list[Entry], title: str) -> Iterator[tuple[str, Prediction]]:
        networks = [inference.load(paths.MODEL / member.folder) for member in members]
        images = (data.images[entry.position] for entry in tqdm(entries, title, unit=" images", disable=None))
        found = inference.predictions(networks, images, options.inference.batch_size, options.inference.flips)
        return zip((entry.image for entry in entries), found, strict=True)

    def validation() -> Iterator[tuple[str, Prediction]]:
        for fold in options.train.folds:
            yield from predictions(noted.of_fold(fold), data.fold(fold), f"infer: fold {fold}")

    held_out = data.fold(data.held_out)
    with outputs.folder(paths.PROBABILITIES) as folder:
        size = cache.write(folder / paths.VALIDATION_PROBABILITIES.name, validation())
        size += cache.write(
            folder / paths.HELD_OUT_PROBABILITIES.name, predictions(noted.scored, held_out, "infer: held out")
        )
    images = len(held_out) + sum(len(data.fold(fold)) for fold in options.train.folds)
    outputs.write_metrics(paths.INFER_METRICS, {"images": images, "megabytes_per_image": size / images / 1e6})
    print(f"infer: {images} images, {size / images / 1e6:.3f} MB an image: {paths.PROBABILITIES}")


if __name__ == "__main__":
    command.run(infer, __doc__)
