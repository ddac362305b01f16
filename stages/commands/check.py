"""Check params.yaml, and that this machine has the precision that it asks for; print nothing if all is well.

Also removes .dvc/tmp/rwlock if a dvc that was killed has left it half written: every later dvc repro would fail
("JSON structure is corrupted").
"""

import argparse

from stages.inference import engines, gpus, processor
from stages.pipeline import dvc_state, settings
from stages.pipeline.cli import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(given: argparse.Namespace) -> None:
    """Read and check the parameters."""
    options = settings.load()
    engines.chosen(options.inference)
    missing = "" if gpus.cards() else processor.missing(options.train.precision)
    if missing:
        raise UserError(f"params.yaml: train: precision: {missing}: set train.precision to auto or float32")
    mended = dvc_state.mend()
    if mended:
        print(f"check: {mended}")
