"""`make gpu-check`: each part gives figures or a reason, in its time. No test asserts a time."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from docs import tables
from stages.inference import gpus
from stages.pipeline.cli import UserError
from tests.benchmarks import gpu_check
from tests.benchmarks.gpu_steps import Place
from tests.benchmarks.gpu_worker import Part, measure
from tests.support import works
from tests.support.repository import ROOT


def test_what_fails_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    """An error, an end of the process and a part that takes too long have reasons; each next part has its figure."""
    one, two, three = (
        Part(f"good.{number}", works.good, "figure", arguments={"figure": number}) for number in (1, 2, 3)
    )
    parts = [
        one,
        Part("fails", works.fails, "figure"),
        two,
        Part("aborts", works.aborts, "figure"),
        Part("never", works.never_ends, "figure", seconds=-85),  # 90 s are for the start
        three,
    ]
    found = {part.name: figures for part, figures in measure(parts, Place(tmp_path), time.monotonic() + 300)}
    assert list(found) == [part.name for part in parts]
    assert [found[f"good.{number}"]["figure"] for number in (1, 2, 3)] == [1, 2, 3]
    assert found["good.1"]["process"] == found["good.2"]["process"] != found["good.3"]["process"]
    assert found["fails"] == {"figure": None, "reason": "RuntimeError: no kernel image is available"}
    assert found["aborts"]["reason"] == "its process ended with exit status -6: F0000 CUDA_ERROR_ILLEGAL_ADDRESS"
    assert found["never"]["reason"].startswith("it took more than 5 s")


def test_the_time_of_all_parts_ends(tmp_path: Path) -> None:
    """No part begins after it."""
    parts = [Part(name, works.good, "figure") for name in ("late", "later")]
    found = list(measure(parts, Place(tmp_path), time.monotonic()))
    assert [figures for _, figures in found] == [{"figure": None, "reason": "there was no time left for it"}] * 2


def test_a_mistake_ends_the_measurement(tmp_path: Path) -> None:
    """Such as a GPU that cannot be used."""
    with pytest.raises(UserError, match="GPU: expected one that works"):
        list(measure([Part("mistaken", works.mistaken, "figure")], Place(tmp_path), time.monotonic() + 90))


def test_no_gpu_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install, and whether the system shows a card; --tiny needs none."""
    monkeypatch.setattr(gpus, "cards", lambda: 0)
    with pytest.raises(UserError, match=r"found none \(and the system shows no NVIDIA card\): make GPU=1 installs"):
        gpu_check.refuse_without_gpu({"gpus": 0}, tiny=False)
    monkeypatch.setattr(gpus, "cards", lambda: 2)
    with pytest.raises(UserError, match=r"found none although the system shows 2 NVIDIA card\(s\): .*make GPU=1"):
        gpu_check.refuse_without_gpu({"gpus": 0}, tiny=False)
    gpu_check.refuse_without_gpu({"gpus": 0}, tiny=True)
    with pytest.raises(UserError, match="TensorFlow starts, found that it does not: it took more than"):
        gpu_check.refuse_without_gpu({"name": None, "reason": "it took more than 60 s"}, tiny=False)


def test_the_projection_is_the_whole_recipe(tmp_path: Path) -> None:
    """Four networks of 40 epochs: 471 steps of 0.1 s, 2,513 images of 0.01 s and 2 s between two; 8 s around."""
    options = gpu_check.recipe(Place(tmp_path))
    figures = {
        "epoch": {"seconds_per_step": 0.1, "seconds_per_validation_image": 0.01},
        "around": {"seconds_to_start": 5.0, "seconds_between_epochs": 2.0, "seconds_to_export": 3.0},
    }
    found = gpu_check.projected(figures, options)
    assert found["hours"] == pytest.approx(4 * (8 + 40 * (471 * 0.1 + 2513 * 0.01 + 2)) / 3600)
    missing = gpu_check.projected(figures | {"around": {"seconds_to_start": None, "reason": "no time"}}, options)
    assert missing == {"hours": None, "reason": "no time"}


def test_without_a_file_the_docs_say_so(tmp_path: Path) -> None:
    """Not an error."""
    assert tables.gpu(tmp_path / "gpu.json") == "Not yet run on a GPU."


@pytest.mark.prove
@pytest.mark.slow
def test_every_part_runs_on_the_cpu(tmp_path: Path) -> None:
    """With tiny sizes each gives its figure, or a reason, which the table shows; nothing but the file is left."""
    file = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "tests.benchmarks.gpu_check", "--tiny", "--output", str(file)]
    ran = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    for part in gpu_check.parts(tiny=True):
        figures = found
        for name in part.name.split("."):
            figures = figures[name]
        assert figures[part.figure] > 0 if "reason" not in figures else figures["reason"], part.name
    assert "reason" not in found["training"]["float32"]
    assert found["device"]["gpus"] >= 0
    assert "| training step, float32 " in ran.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]
