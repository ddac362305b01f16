"""COCO's run lengths: background and object in turn, column by column, the background first.

As a list they are numbers; as a text, each number is written in characters of 6 bits, the lowest first, and from the
fourth number on as the difference to the one before the last.
"""

from typing import Any

import numpy as np

from stages.pipeline.arrays import Bool

_FIRST, _DATA, _MORE, _NEGATIVE, _BITS = 48, 0x1F, 0x20, 0x10, 5


def decode(encoded: Any, size: tuple[int, int]) -> Bool:
    """The mask, boolean (height, width).

    Args:
        encoded: the mapping with `size` (height, width) and `counts`, a list or a text.
        size: height and width that it must have.

    Raises:
        ValueError: it has another size, the runs do not fill it exactly, or it is no such mapping.

        >>> decode({"size": [2, 2], "counts": [1, 2, 1]}, (2, 2)).astype(int).tolist()
        [[0, 1], [1, 0]]
        >>> decode({"size": [2, 2], "counts": "121"}, (2, 2)).astype(int).tolist()
        [[0, 1], [1, 0]]
    """
    if not isinstance(encoded, dict) or not {"size", "counts"} <= set(encoded):
        raise ValueError("expected run lengths with size and counts, found others")
    if encoded["size"] not in (list(size), tuple(size)):
        raise ValueError(f"expected a mask of {list(size)} pixels (height, width), found {encoded['size']}")
    stated = encoded["counts"]
    counts = _counts(stated) if isinstance(stated, str) else stated
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("expected counts of whole numbers from 0 on, found others")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(
            f"expected counts whose sum is {size[0]}×{size[1]} = {size[0] * size[1]:,}, found {sum(counts):,}"
        )
    inside = np.arange(len(counts)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, counts).reshape(size, order="F"))


def _counts(text: str) -> list[int]:
    found: list[int] = []
    number, shift = 0, 0
    for character in text:
        value = ord(character) - _FIRST
        if not 0 <= value < 64:
            raise ValueError(f"expected counts as COCO writes them, found the character {character!r}")
        number |= (value & _DATA) << shift
        shift += _BITS
        if value & _MORE:
            continue
        if value & _NEGATIVE:
            number -= 1 << shift
        found.append(number + found[-2] if len(found) > 2 else number)
        number, shift = 0, 0
    if shift:
        raise ValueError("expected whole counts, found a text that is cut off")
    return found
