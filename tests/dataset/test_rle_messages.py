"""Messages about run lengths quote the table: whatever is found stands there, in any order and numbering of pixels."""

import re
from typing import Literal

import numpy as np
import pytest

from stages.dataset import rle
from stages.dataset.layout import Order, RunLengths


@pytest.mark.parametrize("order", ["columns", "rows"])
@pytest.mark.parametrize("first", [0, 1])
def test_what_a_message_finds_stands_in_the_text(first: Literal[0, 1], order: Order) -> None:
    """Of 2,000 random texts for 2×3 pixels, every one that is refused is quoted as it is written."""
    random = np.random.default_rng(first)
    messages: list[tuple[str, str]] = []
    for _ in range(2_000):
        text = " ".join(map(str, random.integers(0, 10, 2 * random.integers(1, 4))))
        try:
            rle.parse(text, 2, 3, RunLengths(order, first))
        except rle.RunLengthError as error:
            messages.append((text, str(error).split("found ", 1)[1]))
    quoted = [(text, re.findall(r"\d+ \d+", found) or [found]) for text, found in messages]
    assert [(text, runs) for text, runs in quoted if any(f" {run} " not in f" {text} " for run in runs)] == []
    assert len(messages) > 1_000
