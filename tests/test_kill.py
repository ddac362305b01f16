"""A training killed at any moment goes on to the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.prove


def start(folder: Path, stage: str) -> subprocess.Popen[bytes]:
    """Start a stage in a folder that holds params.yaml, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def outputs(folder: Path) -> dict[str, bytes]:
    """Everything that training hands on."""
    files = [*folder.glob("data/model/**/*"), *folder.glob("metrics/train*"), *folder.glob("metrics/train/**/*")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small training in one piece: two folds, three epochs each, an encoder that draws random numbers (drop-out)."""
    folder = tmp_path_factory.mktemp("undisturbed")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["download"] |= {"sample_train_images": 20, "sample_test_images": 1}
    params["train"] |= {
        "backbone": "efficientnetb0", "encoder_weights": None, "downscale": 2,
        "decoder_filters": [16, 16, 8, 8, 8], "epochs": 3, "crops_per_image": 1,
        "crop_height": 64, "crop_width": 64, "learning_rate_schedule": "plateau", "plateau_patience": 1,
        "folds": [0, 1], "average_best": 2, "full_size_epochs": 1,
    }  # fmt: skip
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for stage in ("download", "preprocess", "train"):
        assert start(folder, stage).wait() == 0
    return folder


def epoch_is_done(number: int, fold: int) -> Callable[[Path], bool]:
    """Whether the checkpoint of an epoch has appeared."""
    return lambda folder: any(folder.glob(f"data/state/*/fold_{fold}/phase_1/epoch_{number}"))


@pytest.mark.parametrize(
    "moment",
    [
        epoch_is_done(0, 0),
        epoch_is_done(1, 0),
        epoch_is_done(1, 1),
        lambda folder: any(folder.glob("data/.model*/*/*")),
    ],
    ids=["first state being written", "second state being written", "second fold", "export"],
)
def test_a_killed_training_ends_as_an_undisturbed_one(
    undisturbed: Path, tmp_path: Path, moment: Callable[[Path], bool]
) -> None:
    """SIGKILL at that moment, then the same command again: model, metrics and curves are the same bytes."""
    (tmp_path / "params.yaml").write_bytes((undisturbed / "params.yaml").read_bytes())
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(undisturbed / "data/prepared")
    process = start(tmp_path, "train")
    while not moment(tmp_path):
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "data/model").exists()
    assert start(tmp_path, "train").wait() == 0
    assert outputs(tmp_path) == outputs(undisturbed)
    assert len(outputs(tmp_path)) > 10
    assert len(list((tmp_path / "data/state").glob("*/*/finished.json"))) == 2
