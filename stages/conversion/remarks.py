"""What a conversion says about its input besides refusing it: nothing is left out or changed without a word."""

from collections.abc import Sequence
from pathlib import Path

SHOWN = 3  # names in a message


def tell(text: str) -> None:
    """Print one remark."""
    print(f"convert: {text}")


def some(names: Sequence[str | Path]) -> str:
    """A count and the first names.

    >>> some(["a.png", "b.png", "c.png", "d.png"])
    '4 (a.png, b.png, c.png, …)'
    """
    return f"{len(names)} ({', '.join(map(str, names[:SHOWN]))}{', …' if len(names) > SHOWN else ''})"
