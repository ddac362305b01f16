"""Train one network for every validation fold in train.folds, and export each as a SavedModel.

Reads data/prepared and, for train.pseudo_share, data/pseudo; writes data/model, metrics/train.json and the curves in
metrics/train. With train.final, one more network is trained on all folds. With train.blend, networks of other
experiments are added. A killed run continues with the epoch in which it stopped. A network that was trained before with
the same parameters, data and code is taken from data/state; `dvc repro --force` trains it again.

To train on several machines, run this command on each, with its own `TF_CONFIG`. Worker 0 writes the outputs; the
others read the same, take part and write nothing.
"""

from stages.dataset.prepared import Dataset
from stages.inference import tensorflow_start
from stages.pipeline import paths, settings, stage


def train() -> None:
    """Run the stage, or one worker's part of it."""
    options = settings.load()
    data = Dataset(paths.PREPARED)
    networks = len(options.train.folds) + bool(options.train.final)
    epochs = f"{networks} network(s), {options.train.epochs} epoch(s) each"
    print(f"train: {epochs}; TensorFlow starts, which takes some seconds", flush=True)
    gpus = tensorflow_start.start(training=True)
    from stages.training import run  # imports TensorFlow

    run.run(options, data, gpus)


if __name__ == "__main__":
    stage.run(train, __doc__)
