"""The rows of the gain ledger, as ablation.yaml asks for them: read and checked before anything runs.

A row is the parameters of all rows (params.yaml, then `base`) with a few changed. All figures are of the validation
folds; those of the held-out fold are given for the last row alone.
"""

import copy
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from stages.pipeline import sections, settings, yaml_files
from stages.pipeline.cli import UserError

Params = dict[str, Any]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1)]

SHARED = ("seed", "download", "competition", "preprocess")  # they decide the images and folds, which all rows share
TAKEN = {"data", "metrics", "seconds", "state"}  # names beside those of the rows in data/ablation


class Step(sections.Section):
    """One row as ablation.yaml has it; what is not given is as in the other rows."""

    name: Annotated[str, Field(min_length=1)]
    set: Params = Field(default_factory=dict)
    beside: str | None = None
    seeds: Seeds | None = None


class Plan(sections.Section):
    """All of ablation.yaml."""

    source: Annotated[str, Field(min_length=1)] | None = None
    base: Params = Field(default_factory=dict)
    seeds: Seeds = (1,)
    budget: Annotated[sections.Number, Field(gt=0)] = 360
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    last: Step | None = None


@dataclass(frozen=True)
class Row:
    """One row to run.

    Attributes:
        name: as in ablation.yaml.
        beside: name of the row that it is compared with; None for the first.
        changed: value by parameter, such as {"train.loss": "cce"}.
        seeds: of the trainings.
        params: all of params.yaml, with the seed of the data.
        last: whether the held-out fold is read.
    """

    name: str
    beside: str | None
    changed: Params
    seeds: tuple[int, ...]
    params: Params
    last: bool

    @property
    def slug(self) -> str:
        """Its name as the name of a folder: "Loss CCE+Dice" is "loss-cce-dice"."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def read(path: Path) -> Plan:
    """Read ablation.yaml.

    Raises:
        UserError: it is missing or not YAML, a key is unknown or missing, a value has the wrong type.
    """
    content = yaml_files.read(path, "the ledger's steps")
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        raise UserError("\n".join(f"{path}: {_describe(fault)}" for fault in error.errors())) from None


def rows(plan: Plan, params: Params, path: Path) -> list[Row]:
    """The rows that a plan asks for, checked.

    Args:
        plan: what `path` holds; the path is named in messages.
        params: the content of params.yaml.

    Raises:
        UserError: a parameter is unknown or has an impossible value, two rows share a name, a row stands beside one
            that does not come before it, or beside one of other folds or without a common seed.
    """
    base = placed(params, plan.base, f"{path}: base")
    made: list[Row] = []
    for step in [*plan.steps, *([plan.last] if plan.last else [])]:
        where = f"{path}: {step.name}"
        _refuse_shared(step.set, where)
        beside = step.beside if step.beside is not None or not made else made[0].name
        seeds = plan.seeds if step.seeds is None else step.seeds
        row = Row(step.name, beside, step.set, seeds, placed(base, step.set, f"{where}: set"), step is plan.last)
        _check_name(row, made, where)
        _check_params(row, where)
        _check_beside(row, made, where)
        made.append(row)
    return made


def placed(params: Params, changes: Params, where: str) -> Params:
    """A copy of the parameters with some changed, given as {"train.loss": "cce"}.

    Raises:
        UserError: there is no such parameter.
    """
    changed = copy.deepcopy(params)
    for key, value in changes.items():
        place: Any = changed
        *sections, name = str(key).split(".")
        for depth, part in enumerate([*sections, name]):
            if not isinstance(place, dict) or part not in place:
                known = ", ".join(place) if isinstance(place, dict) else "no key below it"
                inside = ".".join(sections[:depth]) or "the top level"
                raise UserError(f"{where}: unknown parameter {str(key)!r}; expected of {inside}: {known}")
            if depth < len(sections):
                place = place[part]
        if isinstance(place[name], dict):
            raise UserError(f"{where}: expected a single parameter, found the section {key!r}: name its key too")
        place[name] = value
    return changed


def _check_name(row: Row, earlier: list[Row], where: str) -> None:
    if any(row.name == other.name for other in earlier):
        raise UserError(f"{where}: expected different names, found this one twice")
    if not row.slug or row.slug in TAKEN:
        raise UserError(f"{where}: expected a name with letters or digits other than {', '.join(sorted(TAKEN))}")
    for other in earlier:
        if row.slug == other.slug:
            folder = f"its folder would be {row.slug}, as that of {other.name!r}"
            raise UserError(f"{where}: expected another name: {folder}")
    if len(set(row.seeds)) != len(row.seeds):
        raise UserError(f"{where}: seeds: expected each seed once, found {list(row.seeds)}")


def _refuse_shared(changes: Params, where: str) -> None:
    for key in changes:
        if key.split(".")[0] in SHARED:
            raise UserError(
                f"{where}: set: expected parameters of training and what follows it, found {key!r}, which decides the "
                f"images and folds that all rows share: {'seeds' if key == 'seed' else 'base'} is the place for it"
            )


def _check_params(row: Row, where: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(yaml.safe_dump(row.params, allow_unicode=True), encoding="utf-8")
        try:
            settings.load(path)
        except UserError as error:
            raise UserError(str(error).replace(f"{path}: ", f"{where}: ")) from None


def _check_beside(row: Row, earlier: list[Row], where: str) -> None:
    if row.beside is None:
        return
    other = next((one for one in earlier if one.name == row.beside), None)
    if other is None:
        names = ", ".join(one.name for one in earlier) or "none, for it is the first"
        raise UserError(f"{where}: beside: expected a row above it ({names}), found {row.beside!r}")
    if not set(row.seeds) & set(other.seeds):
        raise UserError(
            f"{where}: seeds: expected one at least of those of {other.name}, {list(other.seeds)}, to compare with, "
            f"found {list(row.seeds)}"
        )
    folds = [one.params["train"]["folds"] for one in (other, row)]
    if folds[0] != folds[1]:
        raise UserError(
            f"{where}: train.folds: expected {folds[0]}, the validation folds of {other.name}, found {folds[1]}: "
            "figures of other images cannot be compared; base is the place for it"
        )


def _describe(fault: Any) -> str:
    """One line for one fault that pydantic found."""
    location = list(_location(fault["loc"]))
    if fault["type"] == "extra_forbidden":
        known = ", ".join((Step if len(location) > 1 else Plan).model_fields)
        return ": ".join([*location[:-1], f"unknown key {location[-1]!r}; expected one of: {known}"])
    if fault["type"] == "missing":
        return ": ".join([*location[:-1], f"the key {location[-1]!r} is missing"])
    if fault["type"] in ("model_type", "dict_type"):
        return ": ".join([*location, f"expected a mapping of keys to values, found {fault['input']!r}"])
    message = (fault["msg"][0].lower() + fault["msg"][1:]).replace("tuple", "list")
    return ": ".join([*location, f"{message}; found {fault['input']!r}"])


def _location(parts: tuple[int | str, ...]) -> Iterator[str]:
    """Where a fault is; steps and the like are counted from 1."""
    for part in parts:
        yield f"number {part + 1}" if isinstance(part, int) else part
