"""How a stage starts, from `if __name__ == "__main__"`."""

import argparse
from collections.abc import Callable

from stages.pipeline import cli, starter, unchanged


def run(work: Callable[[], None], module_docstring: str | None) -> None:
    """Run a stage as a command. Its only option is `--help`. It fails if what it depends on changes meanwhile.

    If a dvc started it, it ends with that dvc.
    """
    name = work.__module__.removeprefix("stages.") if work.__module__ != "__main__" else work.__name__
    cli.print_in_any_locale()  # before the help
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{name}",
        description=f"{module_docstring or ''}\n\nTakes no arguments: all parameters are in params.yaml.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    starter.end_with_dvc(name)
    cli.guard(name, lambda: watched(name, work))


def watched(name: str, work: Callable[[], None]) -> None:
    """Do the work of a stage; see `stages.pipeline.unchanged`."""
    watch = unchanged.watch(name)
    work()
    watch.check()
