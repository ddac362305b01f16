"""Check params.yaml, and that this machine has the precision that it asks for; print nothing if all is well.

Also removes .dvc/tmp/rwlock if a dvc that was killed has left it half written: every later dvc repro would fail
("JSON structure is corrupted").
"""

import argparse

from stages.inference import engines
from stages.pipeline import dvc_state, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(given: argparse.Namespace) -> None:
    """Read and check the parameters."""
    engines.chosen(settings.load().inference)
    mended = dvc_state.mend()
    if mended:
        print(f"check: {mended}")
