"""Stages that are killed, or that meet a full disk or a read-only folder, while they write.

Each stage without TensorFlow runs on a tiny competition, by `python -m tests.support.faults`. Every case starts as in
DVC: from the inputs of the stage and none of its outputs.
"""

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stages.dataset.prepared import Dataset, Sample
from stages.inference import engines, ensemble, probabilities
from stages.inference.averaging import AS_IT_IS
from stages.pipeline import paths
from stages.postprocessing.prediction import Prediction
from tests.conftest import draw_competition
from tests.support import locks
from tests.support.faults import files

ROOT = Path(__file__).parents[1]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES = ["download", "explore", "preprocess", "check_data", "postprocess", "evaluate", "expected_dice", "predict",
    "kernel", "report",
]  # fmt: skip
AS_ROOT = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--mount"]

# When a fault happens, as a share of the changes that a stage makes to the file system: before the last one; and, among
# the tests that take minutes, at other moments.
SOME = {"kill": (0.999,), "full": (0.4,), "limit": (200,)}
MORE = {"kill": (0.0, 0.3, 0.6), "full": (0.0,), "limit": (0,)}  # "limit": the size that no file may exceed

Result = dict[str, Any]
Case = tuple[Path, str, float]
Folders = Callable[[str, int], list[Path]]


def outputs_of(stage: str) -> list[str]:
    """Files and folders that a stage writes."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in DVC[stage].get(kind, [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def run(stage: str, cases: Sequence[Case], *, mounting: bool = False) -> list[Result]:
    """Run a stage in folders with faults."""
    command = [*(AS_ROOT if mounting else []), sys.executable, "-m", "tests.support.faults", stage]
    given = json.dumps([[str(folder), kind, number] for folder, kind, number in cases])
    result = subprocess.run(command, cwd=ROOT, input=given, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return list(json.loads(result.stdout))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project with all stages run; the predictions of its made-up network are half right."""
    folder = tmp_path_factory.mktemp("finished")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["download"]["source"] = str(draw_competition(tmp_path_factory.mktemp("source") / "competition"))
    params["competition"] |= {"image_height": 32, "image_width": 64}
    params["preprocess"]["folds"] = 3
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    with contextlib.chdir(folder):
        for stage in STAGES:
            if stage == "check_data":
                invent_networks(folder)
            if stage == "kernel":  # which DVC would record before it runs kernel
                locks.write(folder, "data/model", "data/postprocess.json")
            getattr(importlib.import_module(f"stages.{stage}"), stage)()
    return folder


def invent_networks(folder: Path) -> None:
    """Write what train, infer and infer_test would write."""
    data = Dataset(folder / paths.PREPARED)

    def known(samples: list[Sample]) -> Iterator[tuple[str, Prediction]]:
        for sample in samples:
            labels = data.labels[sample.position]
            pixels = np.stack([np.where(labels == k, 200, 10) for k in (1, 2, 3, 4)], axis=-1).astype(np.uint8)
            yield sample.image, Prediction(pixels, np.full(4, 255, np.uint8))

    probabilities.write(folder / paths.VALIDATION_PROBABILITIES, known(data.fold(0)))
    probabilities.write(folder / paths.HELD_OUT_PROBABILITIES, known(data.fold(2)))
    engines.write(folder / paths.PROBABILITIES, engines.NOTEBOOK, AS_IT_IS)
    (folder / paths.INFER_METRICS).write_text(json.dumps(engines.NOTEBOOK.metrics))
    tests = zip(
        (f"test_{number}.jpg" for number in range(3)), (found for _, found in known(data.fold(0))), strict=False
    )
    probabilities.write(folder / paths.TEST_PROBABILITIES, tests)
    engines.write(folder / paths.TEST_PROBABILITIES.parent, engines.NOTEBOOK, AS_IT_IS)
    network = folder / paths.MODEL / "fold_0"
    network.mkdir(parents=True)
    (network / "saved_model.pb").write_bytes(bytes(range(256)) * 64)
    member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 5, (0.2,) * 5)
    ensemble.write(folder / paths.MODEL, ensemble.Ensemble(data.summary, [member]))
    curve = folder / paths.TRAIN_CURVES / "fold_0/plots/metrics/loss.tsv"
    curve.parent.mkdir(parents=True)
    curve.write_text("step\tloss\n0\t0.5\n")


@pytest.fixture
def folders(finished: Path, tmp_path: Path) -> Folders:
    """Makes folders for the cases of a stage: the finished project without the outputs of that stage."""

    def make(stage: str, count: int) -> list[Path]:
        made = []
        for number in range(count):
            folder = tmp_path / f"{stage}_{number}"
            shutil.copytree(finished, folder)
            for output in outputs_of(stage):
                target = folder / output
                shutil.rmtree(target) if target.is_dir() else target.unlink()
            made.append(folder)
        return made

    return make


def check_whole_or_absent(stage: str, found: dict[str, str], expected: dict[str, str], *, swept: bool) -> None:
    """Each output is complete or absent, and all other files are unchanged; `swept`: no partial file is left."""
    partial = {name for name in found if any(part.endswith(".partial") for part in Path(name).parts)}
    assert not (swept and partial)
    there = {name: digest for name, digest in found.items() if name not in partial}
    for output in outputs_of(stage):
        of_all = {name for name in expected if Path(name).is_relative_to(output)}
        assert of_all, output
        assert of_all & set(there) in (set(), of_all), f"{output} is there in part"
        for name in of_all - set(there):
            there[name] = expected[name]
    assert there == expected


def check_refusals(stage: str, results: list[Result], expected: dict[str, str], reason: str) -> None:
    """Each case failed in one line that names the reason, left no part of an output and changed nothing else."""
    for result in results:
        if result["status"] == 0 and result["number"] > 1:  # the fault came after the last file
            assert result["files"] == expected
            continue
        assert result["status"] == 1, result
        assert result["stderr"].count("\n") == 1, result["stderr"]
        assert result["stderr"].startswith(f"{stage}: ")
        told_before = reason == "No space left on device" and "of free disk space for" in result["stderr"]
        assert reason in result["stderr"] or told_before
        assert any(top in result["stderr"] for top in ("data/", "metrics/"))  # which file
        check_whole_or_absent(stage, result["files"], expected, swept=True)


@pytest.mark.parametrize(
    "faults", [pytest.param(SOME, id="some"), pytest.param(MORE, id="more", marks=pytest.mark.prove)]
)
@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_and_a_full_disk(
    stage: str, faults: dict[str, tuple[float, ...]], finished: Path, folders: Folders
) -> None:
    """A killed stage leaves no torn output and, run again, ends in the same bytes as an undisturbed one.

    Without space for a new file, and with files that may not grow, it fails in one line with the file and the reason.
    """
    counted, *others = folders(stage, 1 + sum(map(len, faults.values())))
    cases: list[Case] = [(counted, "count", 0)]
    for kind, numbers in faults.items():
        for number in numbers:
            folder = others.pop()
            cases.append((folder, kind, number))
            if kind == "kill":
                cases.append((folder, "none", 0))
    undisturbed, *results = run(stage, cases)
    expected = files(finished)
    assert undisturbed["files"] == expected

    killed, results = results[: 2 * len(faults["kill"])], results[2 * len(faults["kill"]) :]
    for cut, again in zip(killed[::2], killed[1::2], strict=True):
        assert cut["status"] == -9
        check_whole_or_absent(stage, cut["files"], expected, swept=False)
        assert (again["status"], again["files"]) == (0, expected)

    full, limited = results[: len(faults["full"])], results[len(faults["full"]) :]
    check_refusals(stage, full, expected, "No space left on device")
    check_refusals(stage, limited, expected, "File too large")


@pytest.fixture(scope="session")
def mounting(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where nothing can be mounted."""
    command = [*AS_ROOT, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path_factory.mktemp("mount"))]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        pytest.skip(f"needs unshare to mount small disks: {error}")
    if result.returncode:
        pytest.skip(f"needs the right to mount small disks: {result.stderr.strip()}")


@pytest.mark.prove
@pytest.mark.usefixtures("mounting")
@pytest.mark.parametrize("stage", STAGES)
def test_a_small_disk_and_a_read_only_one(stage: str, finished: Path, folders: Folders) -> None:
    """A real file system without space, and read-only folders with the old outputs in them, which are kept."""
    full, nearly_full = folders(stage, 2)
    readonly = full.with_name("readonly")
    shutil.copytree(finished, readonly)
    cases: list[Case] = [(full, "disk", 0), (nearly_full, "disk", 4096), (readonly, "readonly", 0)]
    results = run(stage, cases, mounting=True)
    expected = files(finished)
    check_refusals(stage, results[:1], expected, "No space left on device")
    check_refusals(stage, results[1:2], expected, "No space left on device")
    check_refusals(stage, results[2:], expected, "Read-only file system")
    assert results[2]["files"] == expected
