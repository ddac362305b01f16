"""How stages and commands start: `--help`, one clear message for a user's mistake, no traceback."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

# Of a message. Names and values in it come from other people's files, and may be as long as those.
LONGEST_WORD = 400  # characters without a space
LONGEST_LINE = 2000
LONGEST = 8000
MOST_LINES = 60


class UserError(Exception):
    """A mistake that the user can correct. The message says where, what was expected and what was found.

    Whatever is quoted in it, the message can be read: see `readable`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(readable(message))


def readable(message: str) -> str:
    r"""A message without control characters, which could rewrite the terminal, and cut where it would fill it.

    >>> readable("a\x1b[2J.png: expected an image\n" + "x" * 1000 + " is none")[:60]
    'a\\x1b[2J.png: expected an image\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
    """
    lines = message.split("\n")
    if len(lines) > MOST_LINES:
        left_out = f"… {len(lines) - MOST_LINES + 2:,} more lines …"
        lines = [*lines[: MOST_LINES - 2], left_out, lines[-1]]
    return _cut("\n".join(map(_readable_line, lines)), LONGEST)


def _readable_line(line: str) -> str:
    if not line.isprintable():
        line = "".join(
            character if character.isprintable() else repr(character)[1:-1]
            for character in _cut(line, 4 * LONGEST_LINE)
        )
    if len(line) > LONGEST_WORD:
        line = " ".join(_cut(word, LONGEST_WORD) for word in _cut(line, 4 * LONGEST_LINE).split(" "))
    return _cut(line, LONGEST_LINE)


def _cut(text: str, most: int) -> str:
    """The beginning and the end of a text that is longer: a message ends with what to do."""
    return text if len(text) <= most else f"{text[: most * 3 // 4]}…{text[-(most // 4) + 1 :]}"


def run_command(name: str, words: Sequence[str]) -> None:
    """Run `stages/commands/NAME.py`, which has a docstring, `add_arguments(parser)` and `run(given)`.

    Args:
        name: of the command.
        words: its arguments.
    """
    print_in_any_locale()  # before the help

    def run() -> None:
        module = import_module(f"stages.commands.{name}")  # may take seconds, in which Ctrl-C is pressed
        parser = argparse.ArgumentParser(
            prog=f"python -m stages {name}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(parser)
        module.run(parser.parse_args(words))

    guard(name, run)


def print_in_any_locale() -> None:
    """Print ? where the locale lacks a character such as × or …, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def guard(name: str, work: Callable[[], None]) -> None:
    """Do the work of a command, and turn mistakes into messages.

    A `UserError` is printed as one message and ends the process with exit status 1; Ctrl-C ends it with 130. Errors of
    the operating system (no space, no permission, a missing file) become one message too. An `OSError` without an error
    number comes from a library, so it keeps its traceback like every other fault of the program.
    """
    print_in_any_locale()
    try:
        work()
    except UserError as error:
        _fail(f"{name}: {error}")
    except OSError as error:
        if error.errno is None:
            raise
        where = "" if error.filename is None else f"{error.filename}: cannot be read or written: "
        _fail(readable(f"{name}: {where}{os.strerror(error.errno)}"))
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)


def _fail(message: str) -> NoReturn:
    """End with exit status 1 and a message on stderr, or on stdout if stderr is closed."""
    if sys.stderr is None:
        print(message)
        sys.exit(1)
    sys.exit(message)
