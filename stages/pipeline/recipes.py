"""Recipes: fragments of params.yaml, one for each competition, data set or machine.

A recipe is applied on top of `recipes/sample.yaml`, which has every key that any recipe sets, so that nothing of an
earlier recipe remains. Comments, order and quotes of params.yaml are kept.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.pipeline import outputs, paths, settings, yaml_files
from stages.pipeline.cli import UserError

FOLDER = Path("recipes")
BASE = FOLDER / "sample.yaml"


def listing() -> list[tuple[str, str]]:
    """Name and first line of each recipe, sorted by name."""
    return [(path.stem, _title(path)) for path in sorted(FOLDER.glob("*.yaml"))]


def _title(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("#").strip()


def find(name: str) -> Path:
    """The file of a recipe, by its name or its path.

    Raises:
        UserError: there is none.
    """
    own = FOLDER / f"{name}.yaml"
    for path in (own, Path(name)):
        if path.is_file() and path.suffix in (".yaml", ".yml"):
            return path
    names = ", ".join(path.stem for path in sorted(FOLDER.glob("*.yaml")))
    raise UserError(f"expected the path of a .yaml file or one of {names}, found {name!r}")


def apply(recipes: Sequence[Mapping[str, Any]], path: Path = paths.PARAMS) -> list[str]:
    """Write recipes into params.yaml, one after the other.

    Args:
        recipes: nested keys and values, as read from YAML.
        path: of params.yaml.

    Returns:
        What has changed, as lines "section.key: old -> new"; params.yaml is written only if something has.

    Raises:
        UserError: a key that params.yaml does not have, or parameters that are wrong together. Nothing is written.
    """
    plain = yaml_files.read(path, "the parameters of the pipeline")  # for its messages
    if not isinstance(plain, dict):
        raise UserError(f"{path}: expected a mapping of keys to values, found {plain!r}")
    content = _round_trip().load(path.read_text(encoding="utf-8"))
    before = dict(_leaves(content))
    for recipe in recipes:
        _merge(content, recipe, ())
    text = io.StringIO()
    _round_trip().dump(content, text)
    settings.parsed(yaml_files.parsed(text.getvalue(), str(path)), path)
    after = dict(_leaves(content))
    changes = [
        f"{key}: {_shown(before.get(key))} -> {_shown(value)}"
        for key, value in after.items()
        if before.get(key) != value
    ]
    if changes:
        with outputs.file(path) as stream:
            stream.write(text.getvalue())
    return changes


def _round_trip() -> Any:
    """A reader and writer that keeps comments. DVC brings ruamel.yaml, and reads params.yaml with it."""
    from ruamel.yaml import YAML  # slow to import

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _merge(content: Any, recipe: Mapping[str, Any], sections: tuple[str, ...]) -> None:
    for key, value in recipe.items():
        if key not in content:
            known, where = ", ".join(map(str, content)), ".".join((*sections, str(key)))
            raise UserError(f"the recipe's key {where}: expected one that {paths.PARAMS} has: {known}")
        if isinstance(value, Mapping) and isinstance(content[key], Mapping):
            _merge(content[key], value, (*sections, key))
        elif content[key] != value or (type(content[key]) is not type(value) and not isinstance(value, list | str)):
            content[key] = _styled(value)


def _styled(value: Any) -> Any:
    """Lists in one line; texts in quotes where they would be read as something else."""
    from ruamel.yaml.comments import CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, list):
        styled = CommentedSeq(map(_styled, value))
        styled.fa.set_flow_style()
        return styled
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not yaml_files.is_plain(value) else value


def _leaves(content: Mapping[str, Any], sections: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*sections, key))
        else:
            yield ".".join(map(str, (*sections, key))), list(value) if isinstance(value, list) else value


def _shown(value: Any) -> str:
    """As YAML writes it in one line; texts in quotes only where they would otherwise be read as something else."""
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, str):
        return value if yaml_files.is_plain(value) else f'"{value}"'
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
