"""Hypothesis strategies that change valid inputs: bytes, texts, the values of JSON and YAML, rows of tables."""

import copy
import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

NUMBERS = (
    "0", "-1", "1", "255", "256", "32768", "65536", "2147483648", "9223372036854775807", "9223372036854775808",
    "1" * 30,
    "1" * 5000, "1e308", "1e999", "-0", "0.5", "nan", "inf", "", "01", "+1", "1_0", "0x10", "١", "²", "1.0", "true",
)  # fmt: skip
TEXTS = (
    "", " ", "\n", "\r", "\t", "\x00", "\x0c", "\u2028", '"', "'", ",", ";", ":", "{", "[", "]", "}", "é", "e\u0301",
    "\ufeff", "\U0001f600", "../x", "/etc/passwd", "a/b", ".", "..", "~", "null", "None", "%s", "{}", "-", "#", "&a",
    "*a", "!!int", "<<", "x" * 300, "y" * 70_000, "\x1b[31m", "\\", "_", "*", "(", "[a-z", "(a+)+$",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 255, 256, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, float("nan"), float("inf"), "",
    "x", "1", "nan", "../x", "/x", "a\x00b", "\ud800", "\x1b[31m", "x" * 300, "y" * 70_000, [], {}, [[]], [None],
    {"": None}, {"x": 1}, [1, 2, 3], ["a"], [[[[[[1]]]]]],
)  # fmt: skip
WORDS = (
    b"\0\0\0\0",
    b"\1\0\0\0",
    b"\0\0\0\1",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
    b"\0\x80",
)


@st.composite
def raw(draw: DrawFn, valid: Sequence[bytes]) -> bytes:
    """One of some valid contents with a few bytes changed: flipped, cut, removed, repeated, inserted, replaced."""
    content = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        end = min(place + draw(st.sampled_from((1, 2, 4, 8, 30, 200, 4000))), len(content))
        change = draw(st.sampled_from(("flip", "set", "word", "cut", "remove", "repeat", "insert", "zero", "head")))
        if change == "flip" and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif change == "set" and content:
            content[place] = draw(st.integers(0, 255))
        elif change == "word":
            word = draw(st.sampled_from(WORDS))
            content[place : place + len(word)] = word
        elif change == "cut":
            del content[place:]
        elif change == "remove":
            del content[place:end]
        elif change == "repeat":
            content[place:place] = content[place:end] * draw(st.sampled_from((1, 2, 50)))
        elif change == "insert":
            content[place:place] = draw(st.binary(max_size=20))
        elif change == "zero":
            content[place:end] = bytes(end - place)
        elif change == "head" and content:  # headers are short, and the rest would be hit more often
            content[place % min(len(content), 64)] = draw(st.integers(0, 255))
    return bytes(content)


@st.composite
def text(draw: DrawFn, valid: Sequence[str]) -> bytes:
    """One of some valid texts with numbers, words, lines or characters replaced, removed or repeated."""
    content = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 3))):
        change = draw(st.sampled_from(("number", "word", "line", "insert", "cut")))
        if change == "number":
            content = _replaced(draw, content, r"\d+", NUMBERS)
        elif change == "word":
            content = _replaced(draw, content, r"[^\s,;:\[\]{}\"]+", (*TEXTS, *NUMBERS))
        elif change == "insert":
            place = draw(st.integers(0, len(content)))
            content = content[:place] + draw(st.sampled_from(TEXTS)) + content[place:]
        elif change == "cut":
            content = content[: draw(st.integers(0, len(content)))]
        else:
            content = _lines(draw, content)
    coded = content.encode("utf-8", "surrogatepass")
    return draw(st.sampled_from((b"",) * 8 + (b"\xef\xbb\xbf", b"\xff\xfe"))) + coded


def _replaced(draw: DrawFn, content: str, pattern: str, others: Sequence[str]) -> str:
    found = list(re.finditer(pattern, content))
    if not found:
        return content
    chosen = found[draw(st.integers(0, len(found) - 1))]
    return content[: chosen.start()] + draw(st.sampled_from(others)) + content[chosen.end() :]


def _lines(draw: DrawFn, content: str) -> str:
    lines = content.splitlines(keepends=True) or [""]
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    change = draw(st.sampled_from(("remove", "repeat", "swap", "indent", "end")))
    if change == "remove":
        del lines[one]
    elif change == "repeat":
        lines[other:other] = [lines[one]] * draw(st.sampled_from((1, 2, 300)))
    elif change == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    elif change == "indent":
        lines[one] = " " * draw(st.integers(1, 4)) + lines[one]
    else:
        lines[one] = lines[one].rstrip("\n") + draw(st.sampled_from(("", "\r", "\r\n", "\n\n", ",\n", " \n")))
    return "".join(lines)


@st.composite
def value(draw: DrawFn, valid: Sequence[Any]) -> Any:
    """One of some nested values with items or keys replaced, removed, repeated, moved or renamed."""
    content = [copy.deepcopy(draw(st.sampled_from(valid)))]
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(content))
        inside, key = places[draw(st.integers(0, len(places) - 1))]
        change = draw(st.sampled_from(("replace", "replace", "replace", "remove", "repeat", "move", "rename", "wrap")))
        if change == "replace":
            inside[key] = copy.deepcopy(draw(st.sampled_from(VALUES)))
        elif change == "wrap":
            inside[key] = draw(st.sampled_from(([inside[key]], {"x": inside[key]}, str(inside[key]))))
        elif change == "move":
            other, there = places[draw(st.integers(0, len(places) - 1))]
            inside[key] = copy.deepcopy(other[there])
        elif inside is content:
            continue
        elif change == "remove":
            del inside[key]
        elif change == "repeat" and isinstance(inside, list):
            inside.insert(key, copy.deepcopy(inside[key]))
        elif isinstance(inside, dict):
            inside[draw(st.sampled_from((*TEXTS[:40], f"{key}2", str(key).upper())))] = inside[key]
            if change == "rename":
                inside.pop(key)
    return content[0]


def _places(content: Any) -> Any:
    """Every list or mapping at any depth, with each of its places."""
    pairs = enumerate(content) if isinstance(content, list) else content.items()
    for key, inner in list(pairs):
        yield content, key
        if isinstance(inner, list | dict):
            yield from _places(inner)


def as_json(content: Any) -> bytes:
    """JSON as the project writes it."""
    return json.dumps(content, indent=2).encode()


def json_file(*valid: Any) -> SearchStrategy[bytes]:
    """JSON whose values are changed, or whose text or bytes are."""
    written = [as_json(content) for content in valid]
    texts = [each.decode() for each in written]
    deep = st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000, b""])
    return st.one_of(value(valid).map(as_json), value(valid).map(as_json), text(texts), raw(written), deep)


def table(*valid: str) -> SearchStrategy[bytes]:
    """A CSV file whose rows and cells are changed, or whose text or bytes are."""
    return st.one_of(_rows(valid), _rows(valid), text(valid), raw([each.encode() for each in valid]))


@st.composite
def _rows(draw: DrawFn, valid: Sequence[str]) -> bytes:
    content = draw(value([list(csv.reader(draw(st.sampled_from(valid)).splitlines()))]))
    rows = content if isinstance(content, list) else [[content]]
    stream = io.StringIO()
    write = csv.writer(stream, lineterminator=draw(st.sampled_from(("\n", "\n", "\r\n")))).writerow
    for row in rows:
        write([str(cell) for cell in row] if isinstance(row, list) else [str(row)])
    return stream.getvalue().encode("utf-8", "surrogatepass")


def one_of_files(valid: dict[str, bytes], change: dict[str, SearchStrategy[bytes]]) -> SearchStrategy[dict[str, bytes]]:
    """Several files, one of which is changed."""
    return st.one_of(*(changed.map(_with(valid, name)) for name, changed in change.items()))


def _with(valid: dict[str, bytes], name: str) -> Callable[[bytes], dict[str, bytes]]:
    return lambda content: {**valid, name: content}


def named(name: str) -> Callable[[bytes], dict[str, bytes]]:
    """A function that makes an input of the content of its only file."""
    return _with({}, name)
