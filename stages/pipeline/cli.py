"""How stages and commands start: `--help`, one clear message for a user's mistake, no traceback."""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module


class UserError(Exception):
    """Something the user can mend. The message says where, what was expected and what was found."""


def run(stage: Callable[[], None], module_docstring: str | None) -> None:
    """Run one stage as a command, from `if __name__ == "__main__"`: `guard` with `--help` and no arguments."""
    name = stage.__module__.removeprefix("stages.") if stage.__module__ != "__main__" else stage.__name__
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{name}",
        description=f"{module_docstring or ''}\n\nTakes no arguments: everything stands in params.yaml.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    guard(name, stage)


def run_command(name: str, words: Sequence[str]) -> None:
    """Run `stages/commands/NAME.py`, which has a docstring, `add_arguments(parser)` and `run(given)`.

    Args:
        name: of the command.
        words: its arguments.
    """
    module = import_module(f"stages.commands.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m stages {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    given = parser.parse_args(words)
    guard(name, lambda: module.run(given))


def guard(name: str, work: Callable[[], None]) -> None:
    """Do the work of a command. A `UserError` is printed as one message and ends the process with exit status 1, a
    Ctrl-C with 130.

    So is what the system refuses: no space, no permission, a file that is not there. An `OSError` without a number is
    none of the system's but of a library, and keeps its traceback as every fault of the program does.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a locale without × or … is no reason to fail
        sys.stdout.reconfigure(errors="replace")
    try:
        work()
    except UserError as error:
        sys.exit(f"{name}: {error}")
    except OSError as error:
        if error.errno is None:
            raise
        where = "" if error.filename is None else f"{error.filename}: cannot be read or written: "
        sys.exit(f"{name}: {where}{os.strerror(error.errno)}")
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(130)
