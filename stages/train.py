"""Train one network for every validation fold in train.folds, and export each as a SavedModel.

Reads data/prepared; writes data/model, metrics/train.json and the curves in metrics/train. With train.final one more is
trained on every fold; with train.blend the networks of other experiments join. A killed run is taken up at the epoch
where it stopped, and a network that was trained before with the same parameters, data and code is not trained again:
both are in data/state.

On several machines, each with its own `TF_CONFIG`, this command runs on all of them. Worker 0 writes what it would
alone; the others read data/prepared, take part and write nothing.
"""

from stages.dataset.prepared import Dataset
from stages.inference import tensorflow_start
from stages.pipeline import cli, paths, settings


def train() -> None:
    """Run the stage, or one worker's part in it."""
    options = settings.load()
    data = Dataset(paths.PREPARED)
    gpus = tensorflow_start.start(training=True)
    from stages.training import run  # imports TensorFlow

    run.run(options, data, gpus)


if __name__ == "__main__":
    cli.run(train, __doc__)
