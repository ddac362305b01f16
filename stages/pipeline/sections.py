"""Mappings of a YAML file, typed and checked: the base class, the types of values, and the messages for mistakes.

pydantic checks; `check` turns what it finds into lines such as "params.yaml: train: unknown key 'epoch'; expected …".
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stages.pipeline.cli import UserError


class Section(BaseModel):
    """One mapping: frozen, complete, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def refuse_bool(value: Any) -> Any:
    """Refuse true and false where a number is expected; Python takes them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


def whole(value: Any) -> Any:
    """Refuse anything but a whole number. `Literal[1, 2]` alone accepts 2.0 and true."""
    if type(value) is not int:
        raise ValueError(f"expected a whole number, found {value!r}")
    return value


PositiveInt = Annotated[int, Field(gt=0, strict=True)]
NaturalInt = Annotated[int, Field(ge=0, strict=True)]
Side = Annotated[int, Field(gt=0, le=2**15, strict=True)]  # of an image, in pixels
Number = Annotated[float, BeforeValidator(refuse_bool)]
Share = Annotated[Number, Field(ge=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", max_length=60)]

Checked = TypeVar("Checked", bound=Section)
Renamed = Mapping[tuple[str, ...], str]


def check(model: type[Checked], content: Any, where: str, renamed: Renamed | None = None) -> Checked:
    """Check the content of a YAML file.

    Args:
        model: what is expected.
        content: what was read.
        where: the file, which starts each line of the message.
        renamed: new names of keys, by the sections and the name under which they stood before.

    Raises:
        UserError: with one line per mistake, each as `where: section: key: expected …; found …`. Items of lists are
            counted from 1.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = _messages(model, error, renamed or {})
    raise UserError("\n".join(f"{where}: {line}" for line in lines))


def _messages(model: type[Section], error: ValidationError, renamed: Renamed) -> list[str]:
    mistakes = [(_location(mistake["loc"]), mistake) for mistake in error.errors()]
    old = [location for location, mistake in mistakes if mistake["type"] == "extra_forbidden" and location in renamed]
    expected = [(*location[:-1], renamed[location]) for location in old]  # missing, but only under the new name
    return [
        _message(model, location, mistake, renamed)
        for location, mistake in mistakes
        if location not in expected and not _is_consequence(mistake)
    ]


def _location(parts: tuple[int | str, ...]) -> tuple[str, ...]:
    """Where a mistake is, without pydantic's names for the members of a union."""
    named = (f"number {part + 1}" if isinstance(part, int) else part for part in parts)
    return tuple(part for part in named if not part.startswith(("literal", "tuple")))


def _is_consequence(mistake: Any) -> bool:
    """Whether a list is too short only because pydantic does not count its wrong items, which have their own lines."""
    return bool(mistake["type"] == "too_short" and len(mistake["input"]) >= mistake["ctx"]["min_length"])


def _message(model: type[Section], location: tuple[str, ...], mistake: Any, renamed: Renamed) -> str:
    *sections, key = location or ("",)
    if mistake["type"] == "extra_forbidden" and location in renamed:
        return ": ".join([*sections, f"the key {key!r} is now called {renamed[location]!r}: rename it"])
    if mistake["type"] == "extra_forbidden":
        known = ", ".join(_section_at(model, sections).model_fields)
        return ": ".join([*sections, f"unknown key {key!r}; expected one of: {known}"])
    if mistake["type"] == "missing":
        return ": ".join([*sections, f"the key {key!r} is missing"])
    if mistake["type"] == "value_error":
        return ": ".join([*location, str(mistake["ctx"]["error"])])
    if mistake["type"] in ("model_type", "dict_type"):
        return ": ".join([*location, f"expected a mapping of keys to values, found {mistake['input']!r}"])
    message = (mistake["msg"][0].lower() + mistake["msg"][1:]).replace("tuple", "list")
    return ": ".join([*location, f"{message}; found {mistake['input']!r}"])


def _section_at(model: type[Section], location: list[str]) -> type[Section]:
    """The class of the section that stands there."""
    for part in location:
        if part in model.model_fields:
            model = next(_sections_in(model.model_fields[part].annotation), model)
    return model


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """The sections in a type, such as Variant in tuple[Variant, ...] | None."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)
