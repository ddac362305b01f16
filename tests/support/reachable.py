"""What code that is copied out of the repository has to bring with it."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def from_module(name: str) -> tuple[set[str], set[str]]:
    """All that a module needs, directly or not, wherever the imports stand.

    Returns:
        The other modules of stages/; and the packages of other people, without the standard library.
    """
    found: set[str] = set()
    others: set[str] = set()
    waiting = [name]
    while waiting:
        for imported in imports(waiting.pop()):
            if not imported.startswith("stages"):
                others.add(imported.split(".")[0])
            elif (ROOT / f"{imported.replace('.', '/')}.py").is_file() and imported not in found:
                found.add(imported)
                waiting.append(imported)
    return found, others - set(sys.stdlib_module_names)


def imports(name: str) -> set[str]:
    """The modules that a module names in its imports, wherever they stand in it."""
    named = set()
    for node in ast.walk(ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return named
