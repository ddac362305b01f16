"""Files that are no params.yaml, or that would do harm: one line that names the file."""

import os
from pathlib import Path

import pytest

from stages.pipeline import settings
from stages.pipeline.cli import UserError
from tests.support.parameters import lines


def test_an_impossible_date(tmp_path: Path) -> None:
    """YAML reads 2020-99-99 as a date."""
    path = tmp_path / "params.yaml"
    path.write_text("seed: 2020-99-99\n")
    with pytest.raises(UserError, match=r"expected YAML, found: month must be in 1\.\.12"):
        settings.load(path)


HOSTILE = {
    "an object": ("!!python/object/apply:os.system ['touch owned']", "could not determine a constructor for the tag"),
    "a module": ("!!python/module:antigravity", "could not determine a constructor for the tag"),
    "a name": ("!!python/name:os.system", "could not determine a constructor for the tag"),
    "deep lists": ("[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_yaml(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML that would run code or that cannot be parsed ends in one line that names the file; nothing is run."""
    monkeypatch.chdir(tmp_path)
    value, message = HOSTILE[case]
    Path("params.yaml").write_text(f"seed: {value}\n")
    with pytest.raises(UserError) as error:
        settings.load(Path("params.yaml"))
    assert str(error.value).startswith("params.yaml: expected YAML, found: ")
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert os.listdir() == ["params.yaml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a mapping of keys to values, found None"),
        (b"- 1\n", "expected a mapping of keys to values, found [1]"),
        (b"train: [", "expected YAML, found: while parsing a flow node"),
        (b"\tseed: 1", "expected YAML, found: while scanning for the next token found character '\\t'"),
        (b"\xff\xfe", "expected YAML, found: 'utf-8' codec can't decode byte 0xff"),
        (b"<<<<<<< HEAD\nseed: 1\n=======\nseed: 2\n", "expected YAML, found: "),
    ],
)
def test_what_is_no_parameter_file(tmp_path: Path, content: bytes, message: str) -> None:
    """An empty file, broken YAML, another encoding or a merge conflict ends in one line."""
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        settings.load(path)
    (line,) = lines(error, path)
    assert line.startswith(message)


def test_no_file(tmp_path: Path) -> None:
    """The message names the path if there is no params.yaml, or a folder of that name."""
    for path, reason in ((tmp_path / "params.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError) as error:
            settings.load(path)
        assert lines(error, path) == [f"expected the parameters of the pipeline, found no readable file ({reason})"]
