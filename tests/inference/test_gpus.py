"""A GPU that TensorFlow lists and cannot use is one message; a card that it does not list is one line."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.inference import gpus
from stages.pipeline.cli import UserError


class OpError(Exception):
    """Stands for TensorFlow's."""


def tensorflow(listed: int, usable: int, compute: Callable[[], Any]) -> Any:
    """A module with so many GPUs, on which `compute` runs."""
    name = SimpleNamespace(name="GPU:0")
    details = {"device_name": "NVIDIA Drawn 1", "compute_capability": (12, 0)}
    config = SimpleNamespace(
        list_physical_devices=lambda kind: [name] * listed,
        list_logical_devices=lambda kind: [name] * usable,
        experimental=SimpleNamespace(get_device_details=lambda gpu: details),
    )
    return SimpleNamespace(
        __version__="2.21.0", config=config, errors=SimpleNamespace(OpError=OpError), zeros=lambda size: None,
        device=lambda name: nullcontext(), ones=lambda size: _Tensor(compute),
    )  # fmt: skip


class _Tensor:
    def __init__(self, compute: Callable[[], Any]) -> None:
        self.numpy = compute

    def __mul__(self, factor: int) -> "_Tensor":
        return self


def broken() -> None:
    """What a card of a later generation does."""
    raise OpError("'cuLaunchKernel(...)' failed with\n 'CUDA_ERROR_INVALID_HANDLE'")


@pytest.mark.parametrize(("listed", "compute"), [(0, broken), (1, lambda: 2), (2, lambda: 2)])
def test_no_gpu_and_good_ones_are_no_message(listed: int, compute: Callable[[], Any]) -> None:
    """Nothing is computed on GPUs that are not there."""
    gpus.start(tensorflow(listed, listed, compute))


def test_a_gpu_that_fails_is_one_message() -> None:
    """It names the card, TensorFlow's version, the reason in one line, and what to do."""
    with pytest.raises(
        UserError,
        match=r"TensorFlow 2\.21\.0 can compute on, found NVIDIA Drawn 1 \(compute capability 12\.0\), which fails "
        r"\('cuLaunchKernel\(\.\.\.\)' failed with 'CUDA_ERROR_INVALID_HANDLE'\): .*CUDA_VISIBLE_DEVICES=-1$",
    ):
        gpus.start(tensorflow(1, 1, broken))


def test_a_gpu_that_is_ignored_is_one_message() -> None:
    """TensorFlow lists it among the physical devices alone."""
    with pytest.raises(UserError, match="TensorFlow ignores it: its compute capability is too low"):
        gpus.start(tensorflow(1, 0, lambda: 2))


@pytest.mark.parametrize(("hiding", "count"), [(None, 1), ("0", 1), ("-1", 0), ("", 0)])
def test_cards_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hiding: str | None, count: int) -> None:
    """One card, unless the user hides it; of a card that TensorFlow uses nothing is said."""
    (tmp_path / "driver/0000:01:00.0").mkdir(parents=True)
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "driver")
    monkeypatch.setattr(gpus, "DEVICES", tmp_path / "none")
    monkeypatch.delenv(gpus.HIDING, raising=False)
    if hiding is not None:
        monkeypatch.setenv(gpus.HIDING, hiding)
    assert gpus.cards() == count
    assert ("make GPU=1 installs them" in gpus.unused(0)) == bool(count)
    assert gpus.unused(1) == ""


@pytest.mark.parametrize(
    ("cards", "for_processors", "expected"), [(0, False, False), (1, False, True), (1, True, False)]
)
def test_where_tensorflow_should_find_a_gpu(
    monkeypatch: pytest.MonkeyPatch, cards: int, for_processors: bool, expected: bool
) -> None:
    """With a card, unless the build for processors alone is installed, as a plain `make` does."""
    monkeypatch.setattr(gpus, "cards", lambda: cards)
    monkeypatch.setattr(gpus, "_is_installed", lambda package: for_processors)
    assert gpus.expected() is expected
