"""The variants that ablation.yaml or another plan describes: read and checked before anything runs.

A variant is the baseline (params.yaml with the changes of `baseline`) with a few more parameters changed. All its
figures are of the validation folds; those of the held-out fold are given for the variant `last` alone.
"""

import copy
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from stages.pipeline import outputs, settings, yaml_files
from stages.pipeline.cli import UserError
from stages.pipeline.sections import Renamed, Section, Text, check

Params = dict[str, Any]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1)]

BASELINE = "baseline"
SHARED = ("seed", "download", "competition", "preprocess")  # decide images and folds, which all variants share
# Keys of the whole file that had another name before.
RENAMED: Renamed = {("steps",): "variants", ("base",): BASELINE, ("source",): "data"}


class BaselineSection(Section):
    """The changes of params.yaml that all variants share, and the seeds of the baseline itself."""

    set: Params = Field(default_factory=dict)
    seeds: Seeds | None = None


class VariantSection(Section):
    """One variant; what is not given is as in the baseline."""

    name: Text
    set: Params = Field(default_factory=dict)
    compared_with: str = BASELINE
    seeds: Seeds | None = None


class Plan(Section):
    """All of ablation.yaml."""

    data: Text | None = None
    seeds: Seeds = (1,)
    baseline: BaselineSection = BaselineSection()
    variants: Annotated[tuple[VariantSection, ...], Field(min_length=1)]
    last: VariantSection | None = None


@dataclass(frozen=True)
class Variant:
    """One variant to run.

    Attributes:
        name: as in ablation.yaml.
        compared_with: name of the variant that it is compared with; None for the baseline.
        changed: value by parameter, such as {"train.loss": "cce"}.
        seeds: of the trainings.
        params: all of params.yaml.
        last: whether the figures of the held-out fold are read.
    """

    name: str
    compared_with: str | None
    changed: Params
    seeds: tuple[int, ...]
    params: Params
    last: bool

    @property
    def slug(self) -> str:
        """Its name as git takes it: "Loss CCE+Dice" becomes "loss-cce-dice"."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def read(path: Path) -> Plan:
    """Read ablation.yaml.

    Raises:
        UserError: it is missing or not YAML, a key is unknown or missing, a value has the wrong type.
    """
    content = yaml_files.read(path, "the variants to run")
    given = content.get("variants") if isinstance(content, dict) else None
    count = len(given) if isinstance(given, list) else 0
    places = [("last",), *(("variants", f"number {number}") for number in range(1, count + 1))]
    renamed = {(*place, "beside"): "compared_with" for place in places}
    return check(Plan, content, str(path), {**RENAMED, **renamed})


def variants(plan: Plan, params: Params, path: Path) -> list[Variant]:
    """The variants of a plan, checked; the baseline is the first.

    Args:
        plan: the content of `path`, which messages name.
        params: the content of params.yaml.

    Raises:
        UserError: a parameter is unknown or has an impossible value, two variants share a name, or a variant is
            compared with one that does not come before it, has other folds, or has no seed in common with it.
    """
    base = changed(params, plan.baseline.set, f"{path}: {BASELINE}: set")
    first = Variant(BASELINE, None, {}, plan.baseline.seeds or plan.seeds, base, last=False)
    _check(first, [], f"{path}: {BASELINE}")
    made = [first]
    for section in [*plan.variants, *([plan.last] if plan.last else [])]:
        where = f"{path}: {section.name}"
        _refuse_shared(section.set, where)
        variant = Variant(
            section.name,
            section.compared_with,
            section.set,
            section.seeds or plan.seeds,
            changed(base, section.set, f"{where}: set"),
            last=section is plan.last,
        )
        _check(variant, made, where)
        made.append(variant)
    return made


def changed(params: Params, changes: Params, where: str) -> Params:
    """A copy of the parameters with some changed, given as {"train.loss": "cce"}.

    Raises:
        UserError: there is no such parameter.
    """
    result = copy.deepcopy(params)
    for key, value in changes.items():
        section: Any = result
        *sections, name = str(key).split(".")
        for depth, part in enumerate([*sections, name]):
            if not isinstance(section, dict) or part not in section:
                if new := settings.RENAMED.get(tuple(str(key).split("."))):
                    raise UserError(f"{where}: the parameter {str(key)!r} is now called {new!r}: rename it")
                known = ", ".join(section) if isinstance(section, dict) else "no key below it"
                inside = ".".join(sections[:depth]) or "the top level"
                raise UserError(f"{where}: unknown parameter {str(key)!r}; expected in {inside}: {known}")
            if depth < len(sections):
                section = section[part]
        if isinstance(section[name], dict):
            raise UserError(f"{where}: expected a single parameter, found the section {key!r}: name a key of it")
        section[name] = value
    return result


def _refuse_shared(changes: Params, where: str) -> None:
    for key in changes:
        if key == "train.seed":
            raise UserError(f"{where}: set: expected no seed here, found 'train.seed': give it as seeds")
        if key.split(".")[0] in SHARED:
            raise UserError(
                f"{where}: set: expected parameters of training and of later stages, found {key!r}, which decides the "
                f"images and folds that all variants share: set it under {BASELINE}"
            )


def _check(variant: Variant, earlier: list[Variant], where: str) -> None:
    _check_name(variant, earlier, where)
    _check_params(variant, where)
    if variant.compared_with is not None:
        _check_compared_with(variant, earlier, where)


def _check_name(variant: Variant, earlier: list[Variant], where: str) -> None:
    if not variant.slug:
        raise UserError(f"{where}: expected a name with letters or digits")
    for other in earlier:
        if variant.slug == other.slug:
            raise UserError(
                f"{where}: expected another name: its experiments would be called {variant.slug}, as those of "
                f"{other.name!r}"
            )
    if len(set(variant.seeds)) != len(variant.seeds):
        raise UserError(f"{where}: seeds: expected each seed once, found {list(variant.seeds)}")


def _check_params(variant: Variant, where: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        with outputs.file(path) as stream:
            yaml_files.write(stream, variant.params)
        try:
            settings.load(path)
        except UserError as error:
            raise UserError(str(error).replace(f"{path}: ", f"{where}: ")) from None


def _check_compared_with(variant: Variant, earlier: list[Variant], where: str) -> None:
    other = next((one for one in earlier if one.name == variant.compared_with), None)
    if other is None:
        names = ", ".join(one.name for one in earlier)
        raise UserError(
            f"{where}: compared_with: expected a variant above it ({names}), found {variant.compared_with!r}"
        )
    if not set(variant.seeds) & set(other.seeds):
        raise UserError(
            f"{where}: seeds: expected at least one of those of {other.name}, {list(other.seeds)}, to compare with, "
            f"found {list(variant.seeds)}"
        )
    folds = [one.params["train"]["folds"] for one in (other, variant)]
    if folds[0] != folds[1]:
        raise UserError(
            f"{where}: train.folds: expected {folds[0]}, the validation folds of {other.name}, found {folds[1]}: "
            f"figures of different images cannot be compared; set it under {BASELINE}"
        )
