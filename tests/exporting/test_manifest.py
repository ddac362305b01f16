"""The manifest of an export: every file, no other, none changed."""

import json
from pathlib import Path

import pytest

from stages.exporting import manifest
from stages.pipeline.cli import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export of three files."""
    for name in ("model.json", "networks/fold_0/network.onnx", "networks/fold_1/network.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    manifest.write(tmp_path)
    return tmp_path


def test_what_was_written_passes(folder: Path) -> None:
    """All three files count; what Python and Kaggle's client need beside them does not."""
    assert manifest.check(folder) == 3
    (folder / "code/__pycache__").mkdir(parents=True)
    (folder / "code/__pycache__/cli.cpython-311.pyc").write_bytes(b"")
    (folder / "model-metadata.json").write_text("{}")
    assert manifest.check(folder) == 3


def test_a_missing_file(folder: Path) -> None:
    """Named, and how many more."""
    (folder / "networks/fold_0/network.onnx").unlink()
    with pytest.raises(
        UserError, match=r"fold_0/network.onnx: expected the exported file, found none: copy the folder"
    ):
        manifest.check(folder)
    (folder / "networks/fold_1/network.onnx").unlink()
    with pytest.raises(UserError, match=r"fold_0/network.onnx: .* found none \(and 1 more like it\): copy"):
        manifest.check(folder)


@pytest.mark.parametrize("name", ["more.txt", "networks/fold_2/network.onnx", "code/stages/rules.py"])
def test_a_file_too_many(folder: Path, name: str) -> None:
    """At any depth; a link counts as a file, wherever it leads."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to("nowhere")
    with pytest.raises(UserError, match=f"{name}: expected no such file in the export, found one: remove it"):
        manifest.check(folder)


def test_a_changed_file(folder: Path) -> None:
    """One byte is enough."""
    (folder / "model.json").write_bytes(b"model.jsoN")
    with pytest.raises(
        UserError, match=r"model.json: expected the exported file \(SHA-256 \w{16}…\), found another one"
    ):
        manifest.check(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sha256": {}}', '{"sha256": {"a": 1}}', "[" * 100_000])
def test_a_damaged_manifest(folder: Path, content: str) -> None:
    """No text, other kinds, no file at all."""
    (folder / manifest.FILE).write_text(content)
    with pytest.raises(UserError, match=r"manifest.json: expected what export writes, found a damaged file"):
        manifest.check(folder)


def test_a_folder_that_is_no_export(tmp_path: Path) -> None:
    """Without a manifest, or not there at all."""
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UserError, match=r"expected a folder that python -m stages export has written, .* none"):
            manifest.check(folder)


def test_a_name_outside_of_the_folder_is_not_read(folder: Path) -> None:
    """A manifest from a stranger cannot point elsewhere."""
    (folder.parent / "secret").write_text("secret")
    content = json.loads((folder / manifest.FILE).read_text())
    content["sha256"]["../secret"] = "0" * 64
    (folder / manifest.FILE).write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"\.\./secret: expected the exported file, found none"):
        manifest.check(folder)


def test_damage_of_every_kind_is_told_at_once(folder: Path) -> None:
    """A line for what is missing, one for what is too many, one for what is changed."""
    first, second, *_ = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != manifest.FILE)
    first.unlink()
    second.write_bytes(second.read_bytes() + b" ")
    (folder / "more").write_text("")
    with pytest.raises(UserError) as error:
        manifest.check(folder)
    lines = str(error.value).splitlines()
    assert [str(path) in line for path, line in zip((first, folder / "more", second), lines, strict=True)] == [True] * 3
