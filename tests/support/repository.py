"""A repository with the current state of the project, and commands in it, as people type them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from stages.dataset import sample_submission, submission
from stages.dataset.layout import Layout

ROOT = Path(__file__).parents[2]
# Parameters of a run that takes about a minute: few images, a small network that sees them at a quarter of their
# resolution, one epoch.
SMALL = [
    "download.sample_train_images=20", "download.sample_test_images=3", "preprocess.folds=3", "train.epochs=1",
    "train.crops_per_image=1", "train.crop_height=64", "train.crop_width=64", "train.decoder_filters=[16,16,8,8,8]",
    "train.backbone=resnet18", "train.encoder_weights=null",
    "train.warmup_epochs=0", "train.downscale=4", "train.loss=cce", "inference.flips=false",
]  # fmt: skip


def call(folder: Path, *command: str, succeeds: bool = True, environment: Mapping[str, str] | None = None) -> str:
    """Run a command in a folder, with the project's own `python` and `dvc`; returns everything it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **(environment or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert (result.returncode == 0) == succeeds, result.stdout
    return result.stdout


def setting(*parameters: str) -> list[str]:
    """Arguments for `dvc exp run`: `-S section.key=value` for each parameter."""
    return [word for value in parameters for word in ("-S", value)]


def start(folder: Path) -> None:
    """Make a folder a git repository with one commit: the project with its uncommitted changes."""
    listed = call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    call(folder, "git", "init", "--quiet", "--initial-branch=main")
    name_author(folder)
    commit(folder, "start")


def started(folder: Path) -> Path:
    """Make a new folder such a repository; returns it."""
    folder.mkdir()
    start(folder)
    return folder


def name_author(folder: Path) -> None:
    """Set the author of commits in this repository; experiments are commits too."""
    for key, value in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        call(folder, "git", "config", key, value)


def commit(folder: Path, message: str) -> None:
    """Commit everything that git does not ignore, even if nothing has changed."""
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--allow-empty", "--message", message)


def check_submission(folder: Path, classes: int, height: int, width: int) -> int:
    """Check the submission of a run against the sample submission; returns the number of images."""
    sample = sample_submission.read(folder / "data/raw/sample_submission.csv", Layout.unnamed(classes, height, width))
    return submission.check(folder / "data/submission.csv", sample, "sample")["images"]
