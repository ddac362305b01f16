"""YAML files that people write. Only plain values are read: tags that would create Python objects are refused."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from stages.pipeline.cli import UserError


def read(path: Path, what: str) -> Any:
    """Read a YAML file.

    Args:
        path: of the file.
        what: its content, named in the message if there is no such file.

    Raises:
        UserError: the file is missing or not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: expected {what}, found no readable file ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected YAML, found: {error}") from None
    return parsed(text, str(path))


def parsed(text: str, where: str) -> Any:
    """Parse YAML that does not come from a file; `where` starts the message if it is not YAML."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date, such as 2020-99-99
        raise UserError(f"{where}: expected YAML, found: {' '.join(str(error).split())}") from None


def is_plain(text: str) -> bool:
    """Whether YAML reads a text without quotes as this text, and not as a number, a list or nothing."""
    try:
        return bool(yaml.safe_load(text) == text)
    except (yaml.YAMLError, ValueError):
        return False


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping; YAML forbids it, and PyYAML would take the last value."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping as Python has it."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} twice", key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)
