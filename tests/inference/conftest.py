"""The small parameters of training, for tests that need a network to run."""

from tests.training.conftest import options

__all__ = ["options"]
