"""Opponents that `make bench-peers` installs: a process of PyTorch, and whether its network is the same as ours."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.inference import cpu
from stages.pipeline.settings import Settings
from tests.benchmarks.rows import SkippedError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".bench-peers"
# Our ResNet18 is that of classification_models: the shortcut of its first unit has a convolution, too, and batch
# normalisation stands before the convolutions instead of behind them. All other kernels must be the same.
OURS_ALONE: Counter[tuple[int, ...]] = Counter([(1, 1, 64, 64)])
PARAMETERS = 0.001  # the largest difference that these two leave, as a share


def python() -> Path:
    """The opponents' Python.

    Raises:
        SkippedError: their folder does not exist.
    """
    found = FOLDER / "bin/python"
    if not found.is_file():
        raise SkippedError(f"PyTorch is not installed in {FOLDER.name}: run make bench-peers")
    return found


def threads() -> int:
    """How many threads both sides have: all cores, unless the environment says otherwise."""
    return cpu.threads() or os.cpu_count() or 1


class Peer:
    """A task of `tests.benchmarks.peer`, prepared in a process of its own.

    Attributes:
        description: what the process says about its network.
    """

    def __init__(self, task: str, folder: Path, options: dict[str, Any]) -> None:
        """Start the process, and wait until the task is prepared.

        Raises:
            SkippedError: the folder of the opponents does not exist.
            PeerError: the task could not be prepared.
        """
        self._process = subprocess.Popen(
            [python(), "-m", "tests.benchmarks.peer", task, folder.resolve(), json.dumps(options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.description = self._answer()

    def run(self) -> Any:
        """Do the task once; returns its result."""
        assert self._process.stdin
        print(file=self._process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "its process has ended"}
        if isinstance(answer, dict) and "error" in answer:
            self.close()
            raise PeerError(f"PyTorch: {answer['error']}")
        return answer

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PeerError(Exception):
    """An opponent cannot do what it is asked for."""


def network_options(options: Settings, precision: str) -> dict[str, Any]:
    """What every task needs to know about the network, from params.yaml."""
    return {
        "threads": threads(),
        "seed": options.seed,
        "encoder": options.train.backbone,
        "decoder": options.train.decoder_filters,
        "outputs": 1 + len(options.competition.classes),
        "precision": precision,
    }


def check_same(kernels: Iterable[tuple[int, ...]], parameters: int, description: dict[str, Any]) -> None:
    """Compare our network with the opponent's.

    Args:
        kernels: the shapes of our convolutions, (height, width, given, made).
        parameters: how many of ours can be trained.
        description: of `Peer`.

    Raises:
        PeerError: they are not the same, or the opponent has another number of threads.
    """
    ours, other = Counter(kernels), Counter(map(tuple, description["kernels"]))
    if ours - OURS_ALONE != other:
        differ = f"ours alone: {sorted((ours - OURS_ALONE - other).elements())}"
        raise PeerError(f"not the same network: {differ}; the opponent's: {sorted((other - ours).elements())}")
    if abs(parameters - description["parameters"]) > PARAMETERS * parameters:
        raise PeerError(f"not the same network: {parameters} parameters and {description['parameters']}")
    if description["threads"] != threads():
        raise PeerError(f"not the same number of threads: {threads()} and {description['threads']}")
