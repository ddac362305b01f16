"""Which Keras training gets, whatever the environment says, and that inference leaves the environment alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERAS = ("SM_FRAMEWORK", "TF_USE_LEGACY_KERAS")
pytestmark = pytest.mark.slow


def started(code: str, **environment: str) -> list[str]:
    """What a fresh Python prints on stdout, in lines."""
    own = {name: value for name, value in os.environ.items() if name not in KERAS} | environment
    command = [sys.executable, "-c", f"import os; from stages.inference import tensorflow_start; {code}"]
    return subprocess.run(command, cwd=ROOT, env=own, text=True, capture_output=True, check=True).stdout.splitlines()


@pytest.mark.parametrize(
    "environment",
    [{}, {"SM_FRAMEWORK": "keras"}, {"TF_USE_LEGACY_KERAS": "0", "SM_FRAMEWORK": "tf.keras"}],
    ids=["nothing set", "other framework", "Keras 3"],
)
def test_training_gets_keras_2_whatever_the_environment_says(environment: dict[str, str]) -> None:
    """Other values, set for other work, are replaced, with one line that says so; without any there is no line."""
    code = (
        "tensorflow_start.start(training=True); tensorflow_start.start(training=True); "
        "from stages.training import model; "
        "print(model.keras.Model.__module__.split('.')[0], os.environ['SM_FRAMEWORK'])"
    )
    *messages, last = started(code, **environment)
    assert last == "tf_keras tf.keras"
    replaced = [f"{name}={value}" for name, value in environment.items() if value != "tf.keras"]
    assert len(messages) == len(replaced)
    for name in replaced:
        assert messages[0].startswith(f"train: the environment says {name}; training uses")


def test_inference_leaves_the_choice_of_keras_alone() -> None:
    """As on Kaggle, where there is no segmentation_models: neither variable is set, nor that package imported."""
    code = (
        "import sys; tensorflow_start.start(); "
        "print(os.environ['TF_USE_LEGACY_KERAS'], 'SM_FRAMEWORK' in os.environ, 'segmentation_models' in sys.modules)"
    )
    assert started(code, TF_USE_LEGACY_KERAS="0") == ["0 False False"]
