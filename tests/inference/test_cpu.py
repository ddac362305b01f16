"""How the processor is used, and what the environment says instead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.inference import engines
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]
NAMES = ("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


@pytest.mark.parametrize(
    ("said", "onednn", "threads"),
    [
        ({}, "1", 0),
        ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0", 0),
        ({"OMP_NUM_THREADS": "3"}, "1", 3),
        ({"OMP_NUM_THREADS": "4,2"}, "1", 0),
        ({"OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "2"}, "1", 2),
    ],
)
def test_the_environment_decides(said: dict[str, str], onednn: str, threads: int) -> None:
    """oneDNN is on and all cores work unless the environment says otherwise; TensorFlow's own name comes first."""
    code = (
        "import os; from stages.inference import cpu; cpu.configure(); "
        "print(os.environ['TF_ENABLE_ONEDNN_OPTS'], cpu.threads(), os.environ.get('TF_NUM_INTRAOP_THREADS', 0))"
    )
    own = {name: value for name, value in os.environ.items() if name not in NAMES} | said
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=own, text=True, capture_output=True, check=True)
    assert found.stdout.split() == [onednn, str(threads), str(threads)]


def test_what_is_no_number_of_threads_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before a network is loaded, by whichever engine."""
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "two")
    for engine in ("tensorflow", "openvino"):
        with pytest.raises(UserError, match="TF_NUM_INTRAOP_THREADS: expected a whole number, found 'two'"):
            engines.load(engine, tmp_path)
