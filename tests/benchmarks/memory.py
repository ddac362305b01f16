"""Peak memory of each stage with 200 images and with ten times as many: no stage may hold all images at once."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import yaml

from tests.benchmarks import samples
from tests.benchmarks.rows import Pair, Place, Row
from tests.benchmarks.samples import ROOT
from tests.support import locks

STAGES = (
    "download", "explore", "preprocess", "check_data", "pseudo_label", "train", "quantize", "infer", "infer_test",
    "postprocess", "evaluate", "expected_dice", "predict", "report", "kernel",
)  # fmt: skip
# A small network and few steps, because only memory that grows with the number of images is of interest.
SMALL = {
    "preprocess": {"folds": 5},
    "train": samples.NETWORK | {
        "epochs": 1, "crops_per_image": 1, "crop_height": 64, "crop_width": 64, "downscale": 4, "warmup_epochs": 0,
        "decoder_filters": [16, 16, 8, 8, 8],
    },
    "inference": {"flips": False},
}  # fmt: skip


@cache
def peaks(folder: Path, images: int) -> dict[str, float]:
    """Run all stages on a sample with this many training and a tenth as many test images; megabytes by stage."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("dvc.yaml", ".dvc/plots"):
        (folder / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    counts = {"source": "sample", "sample_train_images": images, "sample_test_images": images // 10}
    for section, values in (SMALL | {"download": counts}).items():
        parameters[section] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    return {stage: peak(stage, folder) for stage in STAGES}


def peak(stage: str, folder: Path) -> float:
    """Peak resident memory of a stage's process or of one that it started, in megabytes."""
    print(f"bench: {folder.name}: {stage}", file=sys.stderr, flush=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if stage == "kernel":  # which DVC would record before it runs kernel
        locks.write(folder, "data/model", "data/postprocess.json")
    with (folder / f"{stage}.log").open("w") as log:
        command = [sys.executable, "-m", f"stages.{stage}"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{stage} ended with {process.returncode}: {(folder / f'{stage}.log').read_text()[-2000:]}")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes on Linux
    return usage.ru_maxrss / unit


def grown(stage: str) -> Callable[[Place], Iterator[Pair]]:
    """Megabytes with many images, and with a tenth of them."""

    def measure(place: Place) -> Iterator[Pair]:
        few, many = (20, 40) if place.quick else (200, 2000)
        before = peaks(place.folder / "memory_few", few)[stage]
        yield peaks(place.folder / "memory_many", many)[stage], before

    return measure


ROWS = [
    Row(
        f"memory-{stage}",
        f"peak memory of {stage}, 2,000 images",
        "the same with 200 images",
        1.2,
        grown(stage),
        True,
        "MB",
    )
    for stage in STAGES
]
