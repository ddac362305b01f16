"""YAML from anyone: values alone, and no more of them than a file of parameters holds."""

from pathlib import Path
from typing import Any

import yaml

from stages.pipeline.cli import UserError

_LONGEST, _MOST_VALUES = 1_000_000, 100_000  # of a YAML file, in characters and values


def read(path: Path, what: str) -> Any:
    """Read a YAML file: values alone, since tags that would make Python objects are refused.

    Raises:
        UserError: it is missing, too long, no YAML, or its aliases (`*name`) make it larger than any file of values is.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
        return parsed(text, str(path))
    except OSError as error:
        raise UserError(f"{path}: expected {what}, found no readable file ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected YAML, found: {error}") from None


def parsed(text: str, where: str) -> Any:
    """As `read`, of a text that is named so in messages."""
    if len(text) > _LONGEST:
        raise UserError(f"{where}: expected YAML of at most {_LONGEST:,} characters, found more")
    try:
        content = yaml.safe_load(text)
        values = _values(content, {})
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that there is not
        raise UserError(f"{where}: expected YAML, found: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{where}: expected YAML, found lists or mappings nested too deep, or in themselves") from None
    if values > _MOST_VALUES:
        raise UserError(f"{where}: expected at most {_MOST_VALUES:,} values, found {values:,} by aliases of aliases")
    return content


def _values(content: Any, counted: dict[int, int]) -> int:
    """How many values there are when aliases are written out; each list and mapping is counted once."""
    if not isinstance(content, dict | list | set | tuple):
        return 1
    if id(content) not in counted:
        parts = [*content, *content.values()] if isinstance(content, dict) else list(content)
        counted[id(content)] = sum(_values(part, counted) for part in parts) + 1
    return counted[id(content)]
