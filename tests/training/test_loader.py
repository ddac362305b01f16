"""Processes that make batches: the same ones, in order, and nothing is left of them however a training ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from stages.dataset.prepared import IMAGES, Dataset
from stages.pipeline import cores, settings
from stages.pipeline.cli import UserError
from stages.training import augment, loader
from stages.training.crops import Crops

HERE = Path(__file__).parent
SIZE = 2
PARTS = [np.arange(SIZE) + SIZE * number for number in range(12)]


@pytest.fixture
def crops(prepared: Dataset, options: settings.Train) -> Crops:
    """Crops with everything that draws random numbers, and with the classes that are present."""
    more = {"rotation": 15, "noise": 0.05, "presence_weight": 0.1}
    return Crops(prepared, prepared.training(0), options.model_copy(update=more), 7)


def own_memory() -> list[str]:
    """Names of this process's shared memory."""
    return [name for name in os.listdir(loader.SHARED) if f"-{os.getpid()}-" in name] if loader.SHARED.is_dir() else []


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process: psutil.Process) -> bool:
    """Whether it still does something."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_two_processes_make_the_batches_of_one(crops: Crops) -> None:
    """Every byte of twelve batches, in order; the processes know no TensorFlow, and afterwards there are none."""
    with loader.opened(crops, SIZE, 2) as source:
        found = list(source.batches(PARTS))
        makers = [psutil.Process(maker.process.pid) for maker in source._makers]
        assert len(makers) == 2
        assert not any("tensorflow" in file.path for maker in makers for file in maker.memory_maps())
        assert own_memory() == []
    assert len(found) == len(PARTS)
    for batch, numbers in zip(found, PARTS, strict=True):
        np.testing.assert_equal(tuple(batch), tuple(augment.batch(crops, numbers)))
        assert [array.dtype for array in batch] == [np.uint8, np.uint8, np.float32]
    assert not any(map(alive, makers))


def test_an_iteration_that_is_left_disturbs_no_other(crops: Crops) -> None:
    """After one batch of an iteration, the next one begins with its own first batch; the first cannot go on."""
    with loader.opened(crops, SIZE, 1) as source:
        left = source.batches(PARTS)
        next(left)
        found = source.batches(PARTS[5:])
        np.testing.assert_array_equal(next(found).images, augment.batch(crops, PARTS[5]).images)
        with pytest.raises(RuntimeError, match="one iteration of a loader at a time"):
            next(left)
        np.testing.assert_array_equal(next(found).images, augment.batch(crops, PARTS[6]).images)
    assert list(found) == []  # closed


def test_errors_arrive_as_they_are(crops: Crops, prepared: Dataset) -> None:
    """Images that were cut off after their check, with the traceback; data that is gone: the user's mistake."""
    images = prepared._folder / IMAGES
    with loader.opened(crops, SIZE, 1) as source:
        next(source.batches(PARTS))
        os.truncate(images, 1000)
        with pytest.raises(ValueError, match="cannot reshape") as error:
            list(source.batches(PARTS))
        assert "prepared.py" in error.value.__notes__[0]
    images.unlink()
    with loader.opened(crops, SIZE, 1) as source, pytest.raises(UserError, match=r"found no images\.npy"):
        list(source.batches(PARTS))


def test_an_error_that_cannot_be_sent_is_told() -> None:
    """Its text, as another error."""

    class LocalError(Exception):
        pass

    assert isinstance(loader._portable(LocalError("odd")), RuntimeError)
    assert "LocalError: odd" in str(loader._portable(LocalError("odd")))


def test_a_killed_process_is_one_message(crops: Crops) -> None:
    """As when memory runs out: which, why, and what to do."""
    with loader.opened(crops, SIZE, 2) as source:
        batches = source.batches(PARTS)
        next(batches)
        os.kill(source._makers[1].process.pid, signal.SIGKILL)
        with pytest.raises(UserError) as error:
            list(batches)
    assert str(error.value) == (
        "params.yaml: train: loader_processes: expected 2 processes that make crops, found one that SIGKILL ended, as "
        "the system does when memory runs out: start again with fewer, or with 0; a training goes on after its last "
        "finished epoch"
    )


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGINT of all"])
def test_processes_end_with_the_training(crops: Crops, prepared: Dataset, tmp_path: Path, how: str) -> None:
    """However it ends; on Ctrl-C, which all of them get, they say nothing."""
    log = tmp_path / "log"
    with log.open("wb") as printed:
        training = subprocess.Popen(
            [sys.executable, str(HERE / "one_loader.py"), str(prepared._folder)],
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Where tests run in the background of a shell, Ctrl-C is ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
    wait_for(lambda: b"ready" in log.read_bytes())
    makers = [child for child in psutil.Process(training.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(makers) == 2
    if how == "SIGINT of all":
        os.killpg(training.pid, signal.SIGINT)
    else:
        training.send_signal(getattr(signal, how))
    training.wait(timeout=30)
    wait_for(lambda: not any(map(alive, makers)))
    assert log.read_text() == ("ready\ntrain: interrupted\n" if how == "SIGINT of all" else "ready\n")
    assert not [name for name in os.listdir(loader.SHARED) if f"-{training.pid}-" in name]


def test_too_little_shared_memory_is_told(
    crops: Crops, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Room for one process of four: one starts. Room for none: threads do the work."""
    each = loader._bytes(crops, SIZE)
    monkeypatch.setattr(loader, "_free", lambda: each)
    with loader.opened(crops, SIZE, 4) as source:
        assert len(source._makers) == 1
    assert f"{loader.SHARED}: expected" in (said := capsys.readouterr().out)
    assert "4 processes that make crops" in said
    assert "1 of them start" in said
    monkeypatch.setattr(loader, "_free", lambda: each - 1)
    with loader.opened(crops, SIZE, 4) as source:
        assert source is None
    assert "threads make the crops" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "gpus", "number", "workers", "expected"),
    [
        ("auto", 0, 8, 1, 0),  # on a CPU the network needs the cores
        ("auto", 1, 8, 1, 7),
        ("auto", 4, 64, 1, 16),
        ("auto", 1, 1, 1, 0),
        ("auto", 2, 8, 2, 3),  # two workers on one machine
        (3, 0, 2, 1, 3),
        (0, 1, 8, 1, 0),
    ],
)
def test_how_many_processes(
    options: settings.Train, monkeypatch: pytest.MonkeyPatch, wanted: Any, gpus: int, number: int, workers: int,
    expected: int,
) -> None:  # fmt: skip
    """What was asked for, or what the machine has beside a GPU."""
    monkeypatch.setattr(cores, "usable", lambda: number)
    assert loader.processes(options.model_copy(update={"loader_processes": wanted}), gpus, workers) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("few_layers")
def test_a_training_is_the_same_with_processes(prepared: Dataset, options: settings.Train, tmp_path: Path) -> None:
    """Two phases, each with its own processes, give the weights and figures of threads, and leave nothing."""
    from stages.training import fit
    from stages.training.job import Job

    options = options.model_copy(update={"epochs": 2, "full_size_epochs": 1, "full_size_batch_size": 2})
    found = [
        fit.fit(Job(prepared, options, 1, processes=processes), 0, tmp_path / str(processes), lambda *logs: None)
        for processes in (0, 2)
    ]
    assert found[0].history == found[1].history
    import h5py

    for threads, own in zip(*(_arrays(h5py, network.weights) for network in found), strict=True):
        np.testing.assert_array_equal(threads, own)
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def _arrays(h5py: Any, file: Path) -> list[Any]:
    """Every array of an .h5 file."""
    arrays: list[Any] = []
    with h5py.File(file) as content:
        content.visititems(lambda _, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return arrays


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 1])
@pytest.mark.usefixtures("few_layers")
def test_a_training_ends_with_the_error_itself(
    prepared: Dataset, options: settings.Train, tmp_path: Path, processes: int
) -> None:
    """Not with TensorFlow's, which holds its text; from threads as from processes."""
    from stages.training import fit
    from stages.training.job import Job

    job = Job(prepared, options.model_copy(update={"rotation": 5}), 1, processes=processes)

    def damage(epoch: int, logs: dict[str, float]) -> None:
        os.truncate(prepared._folder / IMAGES, 1000)

    with pytest.raises(ValueError, match="cannot reshape"):
        fit.fit(job, 0, tmp_path / "state", damage)
