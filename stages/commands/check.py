"""Check params.yaml, and print nothing if it is correct.

Also removes .dvc/tmp/rwlock if a dvc that was killed has left it half written: every later dvc repro would fail
("JSON structure is corrupted").
"""

import argparse

from stages.pipeline import dvc_state, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(given: argparse.Namespace) -> None:
    """Read and check the parameters."""
    settings.load()
    mended = dvc_state.mend()
    if mended:
        print(f"check: {mended}")
