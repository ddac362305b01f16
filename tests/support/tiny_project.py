"""The whole project on a tiny competition, in a git repository of its own; a stage takes seconds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.conftest import draw_competition
from tests.support.faults import files

ROOT = Path(__file__).parents[2]


def params(source: str) -> str:
    """Parameters for a drawn competition of 12 images of 32×64: one epoch of the smallest network."""
    options = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    options["download"]["source"] = source
    options["competition"] |= {"image_height": 32, "image_width": 64}
    options["preprocess"]["folds"] = 3
    options["train"] |= {
        "epochs": 1, "crops_per_image": 1, "crop_height": 32, "crop_width": 32, "decoder_filters": [8, 8, 8, 8, 8],
        "backbone": "resnet18", "encoder_weights": None, "downscale": 2,
    }  # fmt: skip
    options["inference"]["flips"] = False
    return str(yaml.safe_dump(options))


def environment(**variables: str) -> dict[str, str]:
    """The environment, with this Python's dvc on PATH."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "DVC_NO_ANALYTICS": "1"} | variables


def call(folder: Path, *command: str, status: int | None = 0, **variables: str) -> str:
    """Run a command in a folder; returns everything it printed.

    Args:
        folder: where to run it.
        command: and its arguments.
        status: its expected exit status; None: any but 0.
        variables: of the environment.
    """
    result = subprocess.run(
        command, cwd=folder, env=environment(**variables), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    assert result.returncode == status if status is not None else result.returncode, result.stdout
    return result.stdout


def repository(folder: Path, source: str) -> Path:
    """Commit the project with tiny parameters to a new repository, without its tests and results."""
    for name in call(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file() and not name.startswith(("metrics/", "dvc.lock", "tests/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "params.yaml").write_text(params(source), encoding="utf-8")
    call(folder, "git", "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        call(folder, "git", "config", key, value)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    """Commit everything that git does not ignore."""
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--allow-empty", "--message", "state")


def finished(folder: Path) -> Path:
    """The same after `dvc repro`, with the results committed."""
    source = draw_competition(folder / "competition")
    made = repository(folder / "project", str(source))
    call(made, "dvc", "repro")
    commit(made)
    return made


def results(folder: Path) -> dict[str, str]:
    """SHA-256 of dvc.lock and of all files in data/ and metrics/, except data/state, which is not an output."""
    kept = ("data/", "metrics/", "dvc.lock")
    found = {name: digest for name, digest in files(folder).items() if name.startswith(kept)}
    return {name: digest for name, digest in found.items() if not name.startswith("data/state/")}
