"""Write a trained network as a SavedModel, in a process of its own.

The names that TensorFlow gives to functions depend on what the process did before. In a fresh process the same weights
always give the same bytes.
"""

import multiprocessing
import os
import sys
from functools import partial
from pathlib import Path

from stages.dataset.layout import Layout
from stages.inference import gpus, tensorflow_start
from stages.pipeline import cli, settings, starter
from stages.training.system_errors import as_os_error


def export(options: settings.Train, layout: Layout, weights: Path, folder: Path) -> None:
    """Write the network with these weights into `folder`, from a fresh process.

    Args:
        options: those of the exported network: see `stages.training.fit.exported`.
        layout: classes and channels of the images.
        weights: the file of a `TrainedNetwork`.
        folder: where the SavedModel goes.
    """
    work = partial(_export, options, layout, weights, folder)
    process = multiprocessing.get_context("spawn").Process(target=cli.guard, args=("train", work))
    process.start()
    process.join()
    if process.exitcode == 1:
        sys.exit(1)  # the process has printed why
    if process.exitcode:
        raise RuntimeError(f"the export of {folder.name} ended with exit status {process.exitcode}")


def _export(options: settings.Train, layout: Layout, weights: Path, folder: Path) -> None:
    starter.end_with_dvc("train")
    os.environ[gpus.HIDING] = "-1"  # nothing is computed here, and the process that trains holds the memory of the GPU
    tensorflow_start.start(training=True)
    from stages.inference import savedmodel
    from stages.training import model
    from stages.training.losses import LOSSES

    network = model.build(options, layout.number_of_classes, layout.images.channels)
    model.bare(network).load_weights(weights)
    with as_os_error(folder):
        savedmodel.save(network, LOSSES[options.loss].activation, folder)
