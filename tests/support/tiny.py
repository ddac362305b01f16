"""A project around the tiny competition: params.yaml that fits it, and its stages, run as commands."""

import io
import os
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

import yaml

from stages.pipeline import cli

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 32, 64
# What each stage leaves that needs no TensorFlow.
OUTPUTS = {
    "download": ("data/raw", "metrics/download.json"),
    "explore": ("data/explore.txt", "metrics/explore", "metrics/explore.json"),
    "preprocess": ("data/prepared", "metrics/preprocess.json"),
    "check_data": ("data/check_data.txt", "metrics/check_data.json"),
}


def params(source: Path | str) -> dict[str, dict[str, object]]:
    """The committed params.yaml for images of 32×64 pixels in three folds, from a source."""
    content: dict[str, dict[str, object]] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["download"]["source"] = str(source)
    content["competition"] |= {"image_height": HEIGHT, "image_width": WIDTH}
    content["preprocess"]["folds"] = 3
    content["train"]["class_weights"] = None
    return content


def project(folder: Path, source: Path | str) -> Path:
    """An empty project folder with these parameters."""
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(params(source)), encoding="utf-8")
    return folder


def run(folder: Path, stages: Iterable[str]) -> tuple[str | None, str]:
    """Run stages one after the other, as `python -m stages.NAME` does, within this process.

    Returns:
        The stage that failed and its message, or None and all that was printed. Anything but a user's mistake is raised
        (a traceback, outside of tests).
    """
    before, printed = Path.cwd(), io.StringIO()
    os.chdir(folder)
    try:
        for name in stages:
            stage: Callable[[], None] = getattr(import_module(f"stages.{name}"), name)
            try:
                with redirect_stdout(printed):
                    cli.guard(name, stage)
            except SystemExit as end:
                return name, str(end.code)
    finally:
        os.chdir(before)
    return None, printed.getvalue()


def left(folder: Path, stage: str) -> list[str]:
    """What there is of a stage's outputs, and whatever half-made file lies about."""
    partial = [path.relative_to(folder).as_posix() for path in folder.rglob(".*.partial")]
    return [path for path in OUTPUTS[stage] if (folder / path).exists()] + partial
