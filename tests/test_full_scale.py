"""Measurements at full scale: the generated data set, the measurement of a command, and the extrapolation."""

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.dataset import duplicates, images, rle
from tests.benchmarks import full_scale, large_set, projection, usage
from tests.benchmarks.projection import Stage, Training
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 training and 6 test images made from nine strips, one of each kind."""
    folder = tmp_path_factory.mktemp("set") / "drawn"
    large_set.draw(folder, 48, 6, strips=9)
    return folder


def test_the_frequencies_are_those_of_the_competition() -> None:
    """12,568 images, and as many images of each class as in the competition's training table."""
    counts = Counter[int]()
    for classes, count in large_set.FREQUENCY.items():
        counts.update(dict.fromkeys(classes, count))
    assert sum(large_set.FREQUENCY.values()) == 12_568
    assert counts == {1: 897, 2: 247, 3: 5150, 4: 801}


def test_every_image_is_whole_and_has_its_masks(drawn: Path) -> None:
    """Images have the competition's size, run lengths are valid, and each test image has a sample row."""
    for folder, count in (("train_images", 48), ("test_images", 6)):
        names = images.listing(drawn / folder)
        assert len(names) == count
        for name in names:
            images.read(drawn / folder / name, 256, 1600)
    with (drawn / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["ImageId"] for row in rows} < set(images.listing(drawn / "train_images"))
    assert all(rle.decode(row["EncodedPixels"], 256, 1600).any() for row in rows)
    assert 10 < len(rows) < 40
    with (drawn / "sample_submission.csv").open() as file:
        assert {row["ImageId"] for row in csv.DictReader(file)} == set(images.listing(drawn / "test_images"))


def test_images_of_one_strip_are_no_near_duplicates(drawn: Path) -> None:
    """Otherwise preprocess would put most of the set into one fold."""
    read = [images.read(path, 256, 1600) for path in sorted((drawn / "train_images").iterdir())]
    signatures = np.array([duplicates.signature(image) for image in read])
    assert len(set(duplicates.groups(signatures, 0.6).tolist())) >= 46  # by chance, two strips may be alike


def test_masks_move_with_the_image() -> None:
    """A bright square and its label move together, however the image is shifted and mirrored."""
    grey, labels = np.full((64, 96), 60, np.uint8), np.zeros((64, 96), np.uint8)
    grey[3:20, 70:90], labels[3:20, 70:90] = 200, 2
    for number in range(20):
        varied, moved = large_set.vary(grey, labels, np.random.default_rng(number))
        assert set(np.unique(moved)) == {0, 2}
        np.testing.assert_array_equal(varied > 130, moved == 2)


def test_memory_is_that_of_all_processes_together(tmp_path: Path) -> None:
    """A command and one that it starts, with 60 MB each, take more than 120 MB, without the memory of this test."""
    mine = np.ones(300_000_000, np.uint8)
    hold = "import time; held = bytearray(60_000_000); time.sleep(0.5)"
    code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}; p.wait()"
    used = usage.measure([sys.executable, "-c", code], tmp_path, tmp_path / "log")
    assert 120e6 < used.peak < 200e6
    assert mine.all()


def test_a_command_that_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The last lines of its output are printed."""
    with pytest.raises(subprocess.CalledProcessError):
        usage.measure([sys.executable, "-c", "print('out of', 'memory'); exit(3)"], tmp_path, tmp_path / "log")
    assert "out of memory" in capfd.readouterr().err


def test_the_rest_is_computed_from_a_part() -> None:
    """2 s to start and 30 s for 60 of 600 images give 302 s; only outputs marked as growing grow."""
    part = Stage(start=2, work=30, done=60, images=600, peak=1, disk=7)
    assert (part.seconds, part.whole, part.full_disk) == (302, False, 7)
    assert Stage(2, 30, 60, 600, 1, 7, grows=True).full_disk == 70
    assert Stage(2, 30, 1, 1, 1, 7).whole


def test_a_training_is_epochs_of_steps_and_validation() -> None:
    """8 s to start, then two epochs of 100 steps of 0.5 s and 10 images of 0.2 s: 8 + 2 · (50 + 2) s."""
    assert Training(start=8, step=0.5, image=0.2, steps=100, validation=10, epochs=2).seconds == 112
    assert projection.steps_an_epoch(103, crops_per_image=2, batch_size=4) == 51
    assert projection.steps_an_epoch(1, crops_per_image=1, batch_size=4) == 1


def test_a_gpu_changes_what_runs_a_network() -> None:
    """Steps and images take the GPU's time, the start takes the time measured here; validation has no mirror images."""
    training = Training(start=8, step=0.5, image=0.2, steps=100, validation=10, epochs=2)
    infer = Stage(start=3, work=30, done=60, images=600, peak=1, disk=1)
    found = projection.with_gpu(training, {"infer": infer}, step=0.05, image=0.04, mirrored=True)
    assert found == pytest.approx({"train": 8 + 2 * (100 * 0.05 + 10 * 0.01), "infer": 3 + 600 * 0.04})


def test_computed_figures_are_in_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    """A stage that ran on all images, one that ran on some, and both with a GPU."""
    stages = {
        "preprocess": Stage(start=0, work=40, done=1, images=1, peak=90_000_000, disk=8_000_000),
        "infer": Stage(start=3, work=30, done=60, images=600, peak=10**9, disk=7_000_000, grows=True),
        "train": Stage(start=8, work=30, done=10, images=10, peak=10**9, disk=60_000_000),
    }
    training = Training(start=8, step=0.5, image=0.2, steps=100, validation=10, epochs=2)
    metrics = full_scale.summarize(stages, training)
    full_scale.report(metrics)
    full_scale.report(metrics | {"gpu": {"seconds_a_step": 0.1, "seconds_an_image": 0.5, "stages": {"infer": 303}}})
    plain, gpu = (text.splitlines() for text in capsys.readouterr().out.split("\n\n"))
    assert plain[2].split() == ["preprocess", "40", "90", "8"]
    assert plain[3].split() == ["infer", "(303)", "1,000", "(70)"]
    assert plain[4].split() == ["train", "(112)", "1,000", "60"]
    assert "2 epochs of 100 steps (0.500 s each) and 10 images of validation (0.200 s each)" in plain[5]
    assert gpu[1].split() == ["preprocess", "40", "40", "90", "8"]
    assert gpu[2].split() == ["infer", "(303)", "(303)", "1,000", "(70)"]


@pytest.mark.prove
@pytest.mark.slow
def test_a_small_set_goes_through_all_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 60 images, each stage has a row with measured or computed figures, and no file is left behind."""
    (tmp_path / "room").mkdir()
    for name, value in (("OF_TEST", 4), ("OF_FOLD", 5), ("STEPS", 3), ("METRICS", tmp_path / "full_scale.json")):
        monkeypatch.setattr(full_scale, name, value)
    size = ["--images", "60", "--test-images", "10", "--gpu", "0.05", "0.04"]
    monkeypatch.setattr(sys, "argv", ["full_scale", "--folder", str(tmp_path / "room"), *size])
    full_scale.main()
    printed, found = capsys.readouterr().out, json.loads((tmp_path / "full_scale.json").read_text())
    stages = found["stages"]
    assert set(stages) == set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
    assert [name for name in stages if not stages[name]["computed"]] == sorted(full_scale.WHOLE)
    for of in stages.values():
        assert of["seconds"] > 0
        assert of["peak_megabytes"] > 20
    assert (stages["infer_test"]["images_run"], stages["infer_test"]["images"]) == (4, 10)
    assert (stages["evaluate"]["images_run"], stages["evaluate"]["images"]) == (10, 24)
    assert stages["train"]["peak_megabytes"] > stages["download"]["peak_megabytes"]
    assert stages["preprocess"]["disk_megabytes"] > 60 * 256 * 1600 / 1e6  # and labels, where there are any
    assert found["training"]["steps_an_epoch"] == 36 * 2 // 4
    assert "computed from 0.05 s a step and 0.04 s an image" in printed
    assert not list((tmp_path / "room").iterdir())
