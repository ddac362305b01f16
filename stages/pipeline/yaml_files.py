"""YAML files that people write, read as DVC reads them: YAML 1.2, by the same library.

Two readers would disagree: `seed: 010` is 10 for DVC and in YAML 1.2, and 8 in YAML 1.1. Only plain values are read.
Tags, merge keys and dates are refused, because params.yaml holds none, and so is what would fill the memory.
"""

import datetime
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    NodeEvent,
    ScalarEvent,
)

from stages.pipeline.cli import UserError

# What the library raises. ValueError: an impossible date, such as 2020-99-99. The last three: a value that does not fit
# its tag, such as `!!int` without a number.
UNREADABLE = (YAMLError, ValueError, RecursionError, ArithmeticError, LookupError, TypeError, AttributeError)
MOST_BYTES = 2**18  # twenty times the longest file of this repository
MOST_VALUES = 20_000  # repeated ones counted each time
_AT_ONCE = 2**16  # characters that cannot hold so many values that reading them takes more than a second
_LARGEST = 2**63
_DEEPEST = 100  # lists and mappings in one another; each further one takes longer to read


def read(path: Path, what: str) -> Any:
    """Read a YAML file.

    Args:
        path: of the file.
        what: its content, named in the message if there is no such file.

    Raises:
        UserError: the file is missing or not YAML, or holds more than plain values.
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
    if len(text) > MOST_BYTES:
        raise UserError(f"{where}: expected at most {MOST_BYTES:,} characters of YAML, found {len(text):,}")
    try:
        _check_events(text, where)
        content = _reader().load(text)
    except UNREADABLE as error:
        raise UserError(f"{where}: expected YAML, found: {_described(error)}") from None
    for number, value in enumerate(islice(_values(content), MOST_VALUES + 1)):
        if number == MOST_VALUES:
            raise _too_many(where)
        if isinstance(value, datetime.date | bytes | set):
            raise UserError(f"{where}: expected texts, numbers, lists and mappings, found {value!r}: put it in quotes")
        if isinstance(value, int) and abs(value) > _LARGEST:  # Python writes no number of more than 4,300 digits
            raise UserError(f"{where}: expected numbers of at most 64 bits, found one of {value.bit_length():,}")
    return content


def write(stream: IO[str], content: Any) -> None:
    """Write plain values as YAML that `parsed` reads back, keys in their order."""
    writer = YAML()
    writer.width = 4096
    writer.dump(content, stream)


def is_plain(text: str) -> bool:
    """Whether YAML reads a text without quotes as this text, and not as a number, a list or nothing."""
    try:
        return bool(_reader().load(text) == text)
    except UNREADABLE:
        return False


def _reader() -> YAML:
    return YAML(typ="safe", pure=True)


def _check_events(text: str, where: str) -> None:
    """Refuse what would take long to read or fill the memory, before any value is made of the text.

    A mapping may take in another one by `<<`; nested, a few lines would fill the memory. In YAML 1.1, which a file may
    ask for, 1:30:30 is a number.
    """
    if "<<" not in text and "%" not in text and len(text) <= _AT_ONCE:
        return
    values = depth = 0
    for event in _reader().parse(text):
        if isinstance(event, DocumentStartEvent) and event.version not in (None, (1, 2)) and event.version[0] == 1:
            found = ".".join(map(str, event.version))
            raise UserError(f"{where}: expected YAML 1.2, found YAML {found}: remove the line %YAML {found}")
        if isinstance(event, ScalarEvent) and event.value == "<<":
            raise UserError(f"{where}: expected plain keys, found a merge key (<<): write out what it stands for")
        values += isinstance(event, NodeEvent)
        if values > MOST_VALUES:
            raise _too_many(where)
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            raise RecursionError


def _too_many(where: str) -> UserError:
    return UserError(f"{where}: expected at most {MOST_VALUES:,} values, found more (with references repeated)")


def _values(content: Any) -> Iterator[Any]:
    """Every value at any depth."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, dict):
            waiting.extend([*value, *value.values()])
        elif isinstance(value, list | tuple):
            waiting.extend(value)


def _described(error: Exception) -> str:
    """The message of an error in one line, without the text around it."""
    if isinstance(error, RecursionError):
        return "lists or mappings that are nested too deeply"
    if isinstance(error, LookupError | TypeError | AttributeError):
        return "a value that does not fit its tag"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = f"in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return " ".join(str(part) for part in (error.context, error.problem, place) if part)
    return " ".join(str(error).split())
