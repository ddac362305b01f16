"""The commands that people type beside `dvc`: python -m stages COMMAND …

Without a command, or with --help, lists the commands. The stages of dvc.yaml are not commands: DVC runs them.
"""

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from stages.pipeline import cli

COMMANDS = sorted(path.stem for path in (Path(__file__).parent / "commands").glob("*.py") if path.stem != "__init__")


def main(words: Sequence[str]) -> None:
    """Run one command, or list all. An unknown command ends with exit status 2."""
    cli.print_in_any_locale()
    if words and words[0] in COMMANDS:
        cli.run_command(words[0], words[1:])
        return
    listing = overview()
    if not words or words[0] in ("-h", "--help"):
        print(listing)
        return
    print(f"stages: expected a command, found {words[0]!r}\n\n{listing}", file=sys.stderr)
    sys.exit(2)


def overview() -> str:
    """List the commands, each with the first line of its docstring; none of them is imported."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:{width}}{_summary(name)}" for name in COMMANDS]
    return "\n".join(["usage: python -m stages COMMAND …     (details: python -m stages COMMAND --help)", "", *lines])


def _summary(name: str) -> str:
    source = (Path(__file__).parent / f"commands/{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


if __name__ == "__main__":
    main(sys.argv[1:])
