"""YAML as DVC reads it, and what is refused."""

import io
import time

import pytest
from dvc.utils.serialize import loads_yaml

from stages.pipeline import yaml_files
from stages.pipeline.cli import UserError

SCALARS = [
    "010", "0o10", "0x10", "0b1", "1_000", "1:30:00", "1e3", ".5", "1.", "+1", "-0", "1,5", ".inf", "'1'",
    "yes", "no", "on", "~", "null", "true",
]  # fmt: skip
NEXT = list(zip("abcdefghi", "bcdefghij", strict=True))


@pytest.mark.parametrize("text", SCALARS)
def test_a_value_is_what_dvc_reads(text: str) -> None:
    """Ten for 010, and texts for yes and 1:30:00: what stands in dvc.lock is what the stages used."""
    found, expected = yaml_files.parsed(f"a: {text}", "x")["a"], loads_yaml(f"a: {text}")["a"]
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("text", [*SCALARS, "a: b", "", " a", "#", "[", "ß ✓"])
def test_a_text_is_read_back_as_it_was_written(text: str) -> None:
    """Whatever it looks like, as a value and as a key; the order of keys stays."""
    stream, content = io.StringIO(), {"z": [text], text: {"b": text, "a": None}}
    yaml_files.write(stream, content)
    found = yaml_files.parsed(stream.getvalue(), "x")
    assert found == content
    assert list(found) == list(content)


TOO_MUCH = {
    "ten to the tenth values": (
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in NEXT),
        "expected at most 20,000 values, found more",
    ),
    "a list in itself": ("- &a [*a]", "expected at most 20,000 values, found more"),
    "merge keys": (
        "a: &a {k: 1}\n"
        + "".join(f"{b}: &{b}\n  <<: [{','.join([f'*{a}'] * 10)}]\n" for a, b in NEXT),
        "expected plain keys, found a merge key (<<): write out what it stands for",
    ),
    "240,000 items": ("- 1\n" * 240_000, "expected at most 262,144 characters of YAML, found 960,000"),
    "120,000 items in one line": (f"[{'1,' * 120_000}]", "expected at most 20,000 values, found more"),
    "25,000 keys": ("".join(f"k{n}: 1\n" for n in range(25_000)), "expected at most 20,000 values, found more"),
    "20,000 references": (
        "a: &a [x]\n" + "".join(f"k{n}: *a\n" for n in range(20_000)), "expected at most 20,000 values, found more",
    ),
    "80,000 merges": (
        f"a: &a {{k: 1}}\nb:\n  <<: [{'*a,' * 80_000}]\n", "expected plain keys, found a merge key (<<)",
    ),
    "numbers to the base of sixty": (
        f"%YAML 1.1\n---\na: {':'.join(['59'] * 80_000)}", "expected YAML 1.2, found YAML 1.1: remove the line",
    ),
    "a number of 250,000 hexadecimal digits": (
        f"a: 0x{'f' * 250_000}", "expected numbers of at most 64 bits, found one of 1,000,000",
    ),
    "a tag of 200,000 characters": (f"a: !<{'x' * 200_000}> b", "could not determine a constructor for the tag"),
    "nested lists": ("[" * 50_000, "expected YAML, found: lists or mappings that are nested too deeply"),
    "a date": ("a: 2020-01-01", "found datetime.date(2020, 1, 1): put it in quotes"),
    "a set": ("a: !!set {x}", "found {'x'}: put it in quotes"),
    "bytes": ("a: !!binary aGk=", "found b'hi': put it in quotes"),
    "an object": ("a: !!python/object:os.system x", "could not determine a constructor for the tag"),
    "a key twice": ("a: 1\nb: 2\na: 3", 'found duplicate key "a" with value "3" (original value: "1") in line 3'),
    "a number of 10,000 digits": (f"a: {'9' * 10_000}", "expected YAML, found: Exceeds the limit (4300 digits)"),
    "a later YAML": ("%YAML 9.9\n---\na: 1", "found incompatible YAML document (version 1.* is required)"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_refused(case: str) -> None:
    """One line that starts with the file."""
    text, message = TOO_MUCH[case]
    started = time.monotonic()
    with pytest.raises(UserError) as reported:
        yaml_files.parsed(text, "params.yaml")
    assert str(reported.value).startswith("params.yaml: expected ")
    assert message in str(reported.value)
    assert "\n" not in str(reported.value)
    assert len(str(reported.value)) < 1000
    assert time.monotonic() - started < 15  # a second or two


@pytest.mark.parametrize("text", ["a: !!int", "a: !!float", "a: !!int []", "a: !!bool x", "a: !!timestamp x", "!!int"])
def test_a_tag_whose_value_is_another(text: str) -> None:
    """Such as a number without a digit."""
    with pytest.raises(UserError, match=r"^a.yaml: expected YAML, found: "):
        yaml_files.parsed(text, "a.yaml")
