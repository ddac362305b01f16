"""Python source compared by what it does: without comments, docstrings and positions."""

import ast


def parsed(source: str) -> str:
    """The syntax tree of a module as text, without docstrings, comments and positions.

    >>> parsed("x = 1  # one") == parsed('''
    ... x = 1
    ... ''')
    True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


def same(source: str, other: str) -> bool:
    """Whether two modules do the same; if one cannot be parsed, whether their text is the same."""
    if source == other:
        return True
    try:
        return parsed(source) == parsed(other)
    except (SyntaxError, ValueError):
        return False
