"""Check params.yaml; say nothing when all is well."""

import argparse

from stages.pipeline import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    settings.load()
