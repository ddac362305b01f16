"""Fill params.yaml from a recipe, and show what changes.

    python -m stages recipe                                      lists the recipes
    python -m stages recipe tgs-salt --source competition.zip
    python -m stages recipe steel.recipe.yaml                    a recipe that convert has written
    python -m stages recipe tgs-salt --set train.epochs=20 train.folds=[0,1]
    python -m stages recipe auto --minutes 30                    plan the training for the time that there is

A recipe is a fragment of params.yaml. It is applied on top of recipes/sample.yaml, so that nothing of an earlier recipe
remains; `auto` changes the training of the recipe that is there. Nothing is written if the parameters would be wrong.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.pipeline import paths, recipes, settings, yaml_files
from stages.pipeline.cli import UserError

AUTO = "auto"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("name", nargs="?", metavar="NAME|PATH", help="a recipe; without one, all are listed")
    parser.add_argument(
        "--source", metavar="PATH", help="the data: a folder, a zip, kaggle or sample (download.source)"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="further values, such as train.epochs=5",
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="for auto: how long the training may take")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    if given.name is None:
        width = max(len(name) for name, _ in recipes.listing()) + 2
        lines = [f"  {name:{width}}{title}" for name, title in recipes.listing()]
        print("\n".join(["usage: python -m stages recipe NAME [--source PATH]", "", *lines]))
        return
    further = [_source(given.source), *map(_setting, given.set)]
    if given.name == AUTO:
        chosen = [_planned(given.minutes)]
    else:
        if given.minutes is not None:
            raise UserError("--minutes: expected the recipe auto with it, found another")
        chosen = [_read(recipes.BASE), _read(recipes.find(given.name))]
        _refuse_without_data(given.name, [*chosen[1:], *further])
    changes = recipes.apply([*chosen, *further])
    print("\n".join(changes) if changes else f"nothing to change in {paths.PARAMS}")


def _read(path: Path) -> dict[str, Any]:
    content = yaml_files.read(path, "a recipe")
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping of keys to values, found {content!r}")
    return content


def _source(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    if source not in ("sample", "kaggle") and not Path(source).expanduser().exists():
        raise UserError(f"--source: expected a folder, a zip, kaggle or sample, found nothing at {source}")
    return {"download": {"source": source}}


def _refuse_without_data(name: str, given: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a recipe for data that nothing names: the built-in sample would be taken, which has another layout."""
    if "competition" in given[0] and not any("source" in (each.get("download") or {}) for each in given):
        raise UserError(f"{name}: expected --source PATH, the folder or zip of its data, found none")


def _setting(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UserError(f"--set: expected KEY=VALUE, such as train.epochs=5, found {text!r}")
    setting: Any = yaml_files.parsed(value, f"--set {key}")
    for section in reversed(key.split(".")):
        setting = {section: setting}
    return dict(setting)


def _planned(minutes: float | None) -> dict[str, Any]:
    """The plan of `auto`: prints its reasons."""
    if minutes is None or not 0 < minutes < 1e5:
        raise UserError(f"auto: expected --minutes M, the minutes that the training may take, found {minutes}")
    options, begin = settings.load(), time.perf_counter()
    from stages.dataset.prepared import Dataset  # with NumPy

    data = Dataset(paths.PREPARED)
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    from stages.training import planning

    plan = planning.plan(options, data, minutes, time.perf_counter() - begin)
    for reason in plan.reasons:
        print(f"auto: {reason}")
    return {"train": plan.changes}
