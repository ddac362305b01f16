"""Small networks for tests that convert them."""

from tests.training.conftest import few_layers, options

__all__ = ["few_layers", "options"]
