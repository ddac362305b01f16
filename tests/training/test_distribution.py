"""Several devices and workers: the same as one device with the same batch, and a clear end when a worker is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stages.dataset.prepared import Dataset
from stages.pipeline import settings
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SMALL = {
    "backbone": "resnet18", "encoder_weights": None, "downscale": 2,
    "decoder_filters": [16, 16, 8, 8, 8], "epochs": 2, "batch_size": 4, "crops_per_image": 2, "crop_height": 32,
    "crop_width": 32, "validation_batch_size": 2, "early_stopping_patience": 3,
}  # fmt: skip
# Without drop-out, which draws other numbers on each device. In small steps: Adam makes as much of a gradient that is
# nothing but rounding as of any other, and with the rates of params.yaml the curves part by a thousandth in an epoch.
CURVE = {
    "mixup": 0.3, "presence_weight": 0.1, "learning_rate_schedule": "plateau", "full_size_epochs": 1,
    "learning_rate": 0.0002, "full_size_learning_rate": 0.0001,
}  # fmt: skip
# What changes the decoder and the optimizer; the encoder is frozen as if it had weights.
MORE = {
    "decoder_attention": "scse", "deep_supervision": 0.5, "encoder_learning_rate": 0.5, "frozen_epochs": 1,
    "weight_decay": 0.1, "weights_average": 0.9,
}  # fmt: skip
SECONDS = 900  # until a test counts as hanging

pytestmark = pytest.mark.slow


def cluster(workers: int) -> list[str]:
    """TF_CONFIG of each of so many workers on this machine, at ports that are free."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(workers)
    ]


def start(command: list[str], folder: Path, config: str = "") -> subprocess.Popen[str]:
    """Start a Python command in a folder, as the worker that `config` says."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({"TF_CONFIG": config} if config else {})
    return subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a process: exit status, stdout, stderr."""
    try:
        stdout, stderr = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, stdout, stderr


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", r"TF_CONFIG: expected JSON like .* found '\{'"),
        ("[]", "TF_CONFIG: expected JSON like"),
        ("[" * 99_999, "TF_CONFIG: expected JSON like"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": Infinity}}', "expected JSON like"),
        (f'{{"cluster": {{"worker": ["a:{"1" * 5000}"]}}, "task": {{"type": "worker", "index": 0}}}}', "every address"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', r"TF_CONFIG: expected JSON like .*no key 'task'"),
        ('{"cluster": {"worker": ["a", "b:1"]}, "task": {"type": "worker", "index": 0}}', "every address once"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}', "every address once"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}', "no other jobs"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}', "no other jobs"),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
            r"TF_CONFIG: task: index: expected 0 … 1, found 2",
        ),
    ],
)
def test_a_malformed_cluster_is_told(monkeypatch: pytest.MonkeyPatch, config: str, message: str) -> None:
    """One message that says how TF_CONFIG looks, before anything waits for anyone."""
    from stages.training import distribution

    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match=message):
        distribution.cluster(0)


def test_one_device_needs_no_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TF_CONFIG, or with a cluster of one, all is as it was."""
    from stages.training import distribution

    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert distribution.cluster(0) is distribution.cluster(1) is distribution.SINGLE_DEVICE
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}')
    assert distribution.cluster(0) is distribution.SINGLE_DEVICE


def test_a_batch_that_devices_cannot_share_is_told(options: settings.Train) -> None:
    """Three devices and a batch of four; of the second phase too."""
    from stages.training import distribution

    class Three:
        num_replicas_in_sync = 3

    cluster = distribution.Cluster(Three(), 0, 3)
    with pytest.raises(UserError, match=r"train: batch_size: expected a multiple of 3, .*3 worker\(s\) of 1.* found 4"):
        cluster.check(options.model_copy(update={"batch_size": 4}))
    cluster.check(options.model_copy(update={"batch_size": 6, "full_size_batch_size": 4}))
    with pytest.raises(UserError, match="full_size_batch_size"):
        cluster.check(options.model_copy(update={"batch_size": 6, "full_size_batch_size": 4, "full_size_epochs": 1}))


def test_workers_share_every_batch(prepared: Dataset, options: settings.Train) -> None:
    """The parts of two workers, one after the other, are the batch of one; the next batch likewise."""
    from stages.training import batches, distribution
    from stages.training.crops import Crops

    crops = Crops(prepared, prepared.training(0), options.model_copy(update={"batch_size": 4}), 1)

    class Local:
        num_replicas_in_sync = 2

        @staticmethod
        def distribute_datasets_from_function(make: Callable[[None], Any]) -> Any:
            return make(None)

    whole = list(batches.dataset(crops, 0, 1))
    parts = [list(batches.dataset(crops, 0, 1, distribution.Cluster(Local(), worker, 2))) for worker in range(2)]
    assert len(whole) == len(parts[0]) == len(parts[1]) > 1
    for (image, labels), first, second in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(image, np.concatenate([first[0], second[0]]))
        np.testing.assert_array_equal(labels, np.concatenate([first[1], second[1]]))


@pytest.mark.parametrize(("task", "beside"), [(0, 2), (1, 1), (2, 2)])
def test_workers_of_one_machine_are_counted(monkeypatch: pytest.MonkeyPatch, task: int, beside: int) -> None:
    """Two of three addresses have one host."""
    from stages.training import distribution

    cluster = {"worker": ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.1:2"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": task}}))
    monkeypatch.setattr("tensorflow.distribute.MultiWorkerMirroredStrategy", object)  # it waits for the others
    found = distribution.cluster(0)
    assert (found.workers, found.on_this_machine) == (3, beside)


def test_two_devices_find_what_one_finds(tmp_path: Path) -> None:
    """Every loss with its gradient, two with hard pixels, batch normalisation, and mixtures, on halves of a batch."""
    status, stdout, stderr = end(start([str(HERE / "shared_batch.py")], tmp_path))
    assert status == 0, stderr
    found = [json.loads(line) for line in stdout.splitlines() if line.startswith("[")]
    assert len(found) == 12 + 2 + 3
    for name, one, two in found:
        near = 1e-4 if name == "batch normalisation" else 1e-6  # of values about 100, of which float32 holds 1e-5
        for expected, values in zip(one, two, strict=True):
            np.testing.assert_allclose(values, expected, rtol=1e-4, atol=near, err_msg=name)


def history(process: subprocess.Popen[str]) -> list[dict[str, float]]:
    """What a training of `one_training.py` prints last."""
    status, stdout, stderr = end(process)
    assert status == 0, stderr
    return json.loads(stdout.splitlines()[-1])


def same_curve(found: list[dict[str, float]], expected: list[dict[str, float]]) -> None:
    """The same figures, but for rounding, of a curve that falls by far more than that."""
    assert expected[1]["loss"] < 0.95 * expected[0]["loss"]
    assert [set(logs) for logs in found] == [set(logs) for logs in expected]
    for logs, wanted in zip(found, expected, strict=True):
        assert logs["loss"] == pytest.approx(wanted["loss"], rel=1e-4)
        assert logs["learning_rate"] == wanted["learning_rate"]


@pytest.mark.prove
@pytest.mark.parametrize(
    ("way", "more"), [("two devices", {}), ("two devices", MORE), ("two workers", {}), ("two workers", MORE)]
)
def test_the_curve_is_that_of_one_device(prepared: Dataset, tmp_path: Path, way: str, more: dict[str, object]) -> None:
    """Two phases, mixtures, an image-level head; both workers tell the same figures, and one of them writes nothing."""
    folder = str(tmp_path / "prepared")

    def arguments(name: str) -> list[str]:
        return [str(HERE / "one_training.py"), folder, str(tmp_path / name), json.dumps(SMALL | CURVE | more)]

    expected = history(start(arguments("one"), tmp_path))
    if way == "two devices":
        same_curve(history(start([*arguments("two"), "2"], tmp_path)), expected)
        return
    processes = [start(arguments(f"worker_{i}"), tmp_path, config) for i, config in enumerate(cluster(2))]
    first, second = map(history, processes)
    assert first == second
    same_curve(first, expected)
    assert (tmp_path / "worker_0/finished.json").exists()
    assert not (tmp_path / "worker_1/finished.json").exists()


@pytest.fixture
def machines(tmp_path: Path) -> list[Path]:
    """Two folders to run stages in, with the same parameters and prepared data."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["download"] |= {"sample_train_images": 20, "sample_test_images": 1}
    params["train"] |= SMALL | {"epochs": 4, "crop_height": 64, "crop_width": 64, "crops_per_image": 1}
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        (folder / "params.yaml").write_text(yaml.safe_dump(params))
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "start", "--allow-empty"],
            cwd=folder, check=True,
        )  # fmt: skip
    for stage in ("download", "preprocess"):
        assert end(start(["-m", f"stages.{stage}"], folders[0]))[0] == 0
    (folders[1] / "data").mkdir()
    (folders[1] / "data/prepared").symlink_to(folders[0] / "data/prepared")
    return folders


def both(machines: list[Path]) -> list[subprocess.Popen[str]]:
    """Start the stage on both."""
    return [start(["-m", "stages.train"], folder, config) for folder, config in zip(machines, cluster(2), strict=True)]


def after_first_epoch(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the state of an epoch is written."""
    limit = time.monotonic() + SECONDS
    while not any(folder.glob("data/state/*/fold_0/phase_1/progress.json")):
        assert process.poll() is None, end(process)
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.prove
@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "worker"])
def test_a_lost_worker_ends_the_others_and_a_restart_goes_on(machines: list[Path], victim: int) -> None:
    """SIGKILL after an epoch: the other says so and ends, nothing partial is left; both started again go on."""
    processes = both(machines)
    after_first_epoch(machines[0], processes[0])
    os.killpg(processes[victim].pid, signal.SIGKILL)
    processes[victim].communicate()
    status, _, stderr = end(processes[1 - victim])
    assert status != 0
    assert "the connection to the other workers is lost" in stderr
    assert "Traceback" not in stderr
    assert not (machines[0] / "data/model").exists()
    results = list(map(end, both(machines)))
    assert [status for status, _, _ in results] == [0, 0], results
    assert all("train: continuing after epoch" in stdout for _, stdout, _ in results)
    assert (machines[0] / "data/model/fold_0/saved_model.pb").exists()
    assert sorted(path.name for path in machines[1].iterdir()) == [".git", "data", "params.yaml"]
    assert [path.name for path in (machines[1] / "data").iterdir()] == ["prepared"]


@pytest.mark.prove
def test_workers_that_differ_are_told(machines: list[Path]) -> None:
    """Another learning rate on the second: both say what differs, and on whom."""
    path = machines[1] / "params.yaml"
    path.write_text(path.read_text().replace("learning_rate: 0.001", "learning_rate: 0.003"))
    for status, _, stderr in map(end, both(machines)):
        assert status == 1
        assert "params.yaml: train: expected the same on all workers, found others on worker 1" in stderr
        assert "Traceback" not in stderr
