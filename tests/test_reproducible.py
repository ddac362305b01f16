"""The whole pipeline run again, here, in another environment and on one core: which bytes are the same."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support import tiny_project
from tests.support.tiny_project import call

ROOT = Path(__file__).parents[1]
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])

pytestmark = pytest.mark.prove


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project, run once."""
    return tiny_project.finished(tmp_path_factory.mktemp("reproducible"))


def test_the_same_again(once: Path) -> None:
    """Run again, without the stored networks, the pipeline gives the same dvc.lock, metrics and data."""
    before = tiny_project.results(once)
    shutil.rmtree(once / "data/state")
    printed = call(once, "dvc", "repro", "--force")
    assert printed.count("Running stage") == len(STAGES)
    assert "train: fold_0: epoch 1 of" in printed
    assert tiny_project.results(once) == before


def test_the_same_elsewhere(once: Path, tmp_path: Path) -> None:
    """Another folder, temporary folder, language, time zone, hash seed and umask give the same bytes."""
    other, scratch = tmp_path / "an other place, ö", tmp_path / "scratch"
    scratch.mkdir()
    call(tmp_path, "git", "clone", "--quiet", str(once), str(other))
    command = ["sh", "-c", 'umask 077; exec dvc repro --force "$@"', "sh"]
    printed = call(
        other, *command, TMPDIR=str(scratch), LC_ALL="C", LANG="C", TZ="Pacific/Kiritimati", PYTHONHASHSEED="123",
        COLUMNS="40",
    )  # fmt: skip
    assert printed.count("Running stage") == len(STAGES)
    assert tiny_project.results(other) == tiny_project.results(once)


def test_the_number_of_threads(once: Path, tmp_path: Path) -> None:
    """On one core, data, folds and data checks are the same bytes; networks may differ, as sums have another order."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("needs two cores to compare with one")
    other = tmp_path / "project"
    call(tmp_path, "git", "clone", "--quiet", str(once), str(other))
    call(other, "taskset", "--cpu-list", str(cores[0]), "dvc", "repro", "--force")
    here, there = tiny_project.results(once), tiny_project.results(other)
    assert set(here) == set(there)
    differing = sorted(name for name in here if here[name] != there[name])
    print(f"on one core {len(differing)} of {len(here)} files differ: {', '.join(differing)}")
    early = ("data/raw/", "data/prepared/", "metrics/explore", "metrics/preprocess", "metrics/check_data")
    assert not [name for name in differing if name.startswith(early)]
