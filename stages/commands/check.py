"""Check params.yaml, and print nothing if it is correct."""

import argparse

from stages.pipeline import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(given: argparse.Namespace) -> None:
    """Read and check the parameters."""
    settings.load()
