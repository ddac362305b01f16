"""How stages and commands start: `--help`, one clear message for a user's mistake, no traceback."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

LONGEST_LINE = 4000  # characters of a line of a message; of a longer one the middle is left out
_BEGIN, _END = 1500, 500  # what to do stands at the end


class UserError(Exception):
    """A mistake that the user can correct. The message says where, what was expected and what was found."""


def run_command(name: str, words: Sequence[str]) -> None:
    """Run `stages/commands/NAME.py`, which has a docstring, `add_arguments(parser)` and `run(given)`.

    Args:
        name: of the command.
        words: its arguments.
    """
    print_in_any_locale()  # before the help
    module = import_module(f"stages.commands.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m stages {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    given = parser.parse_args(words)
    guard(name, lambda: module.run(given))


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
        _fail(f"{name}: {where}{os.strerror(error.errno)}")
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)


def printable(message: str) -> str:
    r"""A message as a terminal may show it: what it quotes may hold control characters, and be as long as a file.

    >>> printable("row 1: found \x1b[31m")
    'row 1: found \\x1b[31m'
    """
    signs = (sign if sign == "\n" or sign.isprintable() else repr(sign)[1:-1] for sign in message)
    lines = "".join(signs).split("\n")
    return "\n".join(line if len(line) <= LONGEST_LINE else f"{line[:_BEGIN]} … {line[-_END:]}" for line in lines)


def _fail(message: str) -> NoReturn:
    """End with exit status 1 and a message on stderr, or on stdout if stderr is closed."""
    message = printable(message)
    if sys.stderr is None:
        print(message)
        sys.exit(1)
    sys.exit(message)
