"""Outputs appear complete or not at all."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from stages.pipeline import outputs
from stages.pipeline.cli import UserError


class FullDisk:
    """A file on a disk without space."""

    def __init__(self, stream: object) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)

    def __enter__(self) -> "FullDisk":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()  # type: ignore[attr-defined]

    def write(self, _: str) -> int:
        """Refuse."""
        raise OSError(errno.ENOSPC, "No space left on device")


def names(folder: Path) -> list[str]:
    """Everything in a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    """A file exists only after its block, with its folders, in UTF-8 and with LF line ends."""
    path = tmp_path / "new" / "folders" / "a.txt"
    with outputs.file(path) as stream:
        stream.write("×\n")
        assert not path.exists()
    assert path.read_bytes() == b"\xc3\x97\n"
    assert names(tmp_path) == ["new", "new/folders", "new/folders/a.txt"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), UserError("wrong")])
def test_a_file_is_unchanged_when_the_block_fails(tmp_path: Path, error: BaseException) -> None:
    """After an error or Ctrl-C the old content is there and nothing else; the same error is raised."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with outputs.file(path) as stream:
            stream.write("new")
            raise error

    with pytest.raises(type(error)) as raised:
        write()
    assert raised.value is error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_file_is_replaced_and_not_overwritten(tmp_path: Path) -> None:
    """Another hard link to the old file, as in DVC's cache, keeps the old content."""
    path, cached = tmp_path / "a.txt", tmp_path / "cached"
    path.write_text("old")
    cached.hardlink_to(path)
    with outputs.file(path) as stream:
        stream.write("new")
    assert (path.read_text(), cached.read_text()) == ("new", "old")


def test_a_folder_replaces_the_old_one(tmp_path: Path) -> None:
    """The new folder replaces the old one with all its content, and appears only when its block ends."""
    path = tmp_path / "data" / "raw"
    for content in ("first", "second"):
        with outputs.folder(path) as folder:
            (folder / f"{content}.txt").write_text(content)
            assert not (path / f"{content}.txt").exists()
    assert names(tmp_path) == ["data", "data/raw", "data/raw/second.txt"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt(), UserError("wrong")])
def test_a_folder_is_unchanged_when_the_block_fails(tmp_path: Path, error: BaseException) -> None:
    """After an error or Ctrl-C the old folder is as before, with nothing beside it."""
    path = tmp_path / "raw"
    path.mkdir()
    (path / "old.txt").write_text("old")

    def write() -> None:
        with outputs.folder(path) as folder:
            (folder / "new.txt").write_text("new")
            raise error

    with pytest.raises(type(error)) as raised:
        write()
    assert raised.value is error
    assert names(tmp_path) == ["raw", "raw/old.txt"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    """A partial folder of a run that was killed does not end up in the next one's output."""
    left = tmp_path / ".raw.partial"
    left.mkdir()
    (left / "stale.txt").write_text("stale")
    with outputs.folder(tmp_path / "raw") as folder:
        assert list(folder.iterdir()) == []
    assert names(tmp_path) == ["raw"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without space, one message names the file, and the old content is still there."""
    path = tmp_path / "metrics.json"
    path.write_text("old")
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *args, **kwargs: FullDisk(opened(self, *args, **kwargs)))
    with pytest.raises(UserError) as error:
        outputs.write_metrics(path, {"a": 1})
    assert str(error.value) == f"{path}: cannot be written (No space left on device)"
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["metrics.json"]


def test_a_full_disk_in_a_folder(tmp_path: Path) -> None:
    """An error while a folder is written names the file if the system does, otherwise the folder."""
    path = tmp_path / "raw"
    for filename, named in ((None, path), (str(tmp_path / "b.jpg"), tmp_path / "b.jpg")):
        with pytest.raises(UserError) as error, outputs.folder(path):
            raise OSError(errno.ENOSPC, "No space left on device", filename)
        assert str(error.value) == f"{named}: cannot be read or written (No space left on device)"
    assert names(tmp_path) == []


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    """A file in the place of a folder gives a message and no traceback."""
    (tmp_path / "metrics").write_text("a file")
    with pytest.raises(UserError, match=r"metrics/a\.json: cannot be written \(File exists\)"):
        outputs.write_metrics(tmp_path / "metrics" / "a.json", {})
    with (
        pytest.raises(UserError, match=r"cannot be read or written \(Not a directory\)"),
        outputs.folder(tmp_path / "metrics" / "raw"),
    ):
        pass
    assert (tmp_path / "metrics").read_text() == "a file"


def test_a_file_that_the_block_cannot_read(tmp_path: Path) -> None:
    """The message names that file, not the output."""
    with pytest.raises(FileNotFoundError) as error, outputs.file(tmp_path / "a.txt"):
        (tmp_path / "input.csv").read_text()
    assert error.value.filename == str(tmp_path / "input.csv")
    with pytest.raises(UserError, match=r"input\.csv: cannot be read"), outputs.folder(tmp_path / "raw"):
        (tmp_path / "input.csv").read_text()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_moved_into_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the new folder cannot be moved, the old one is moved back."""
    path = tmp_path / "raw"
    path.mkdir()
    (path / "old.txt").write_text("old")
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if source.name == ".raw.partial":
            raise OSError(errno.EIO, "Input/output error", str(source))
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UserError, match=r"raw: cannot be read or written \(Input/output error"), outputs.folder(path):
        pass
    assert names(tmp_path) == ["raw", "raw/old.txt"]


def test_a_link_in_the_place_of_a_folder(tmp_path: Path) -> None:
    """An output that the user replaced by a link is refused with a reason; the link and its target are unchanged."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "old.txt").write_text("old")
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    with (
        pytest.raises(UserError, match=r"raw: cannot be read or written \(.*symbolic link"),
        outputs.folder(tmp_path / "raw"),
    ):
        pass
    assert names(tmp_path) == ["disk", "disk/old.txt", "raw"]


def test_metrics_are_sorted_and_end_with_a_line_end(tmp_path: Path) -> None:
    """Keys are sorted, so two runs give the same bytes; None becomes null."""
    path = tmp_path / "a.json"
    outputs.write_metrics(path, {"b": {"z": 1, "a": None}, "a": 0.5})
    assert path.read_text() == '{\n  "a": 0.5,\n  "b": {\n    "a": null,\n    "z": 1\n  }\n}\n'


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    """NumPy's scalars are written like Python's numbers."""
    metrics = {"a": np.int64(2**40), "b": np.float32(0.5), "c": np.float64(0.1), "d": np.uint8(7)}
    outputs.write_metrics(tmp_path / "a.json", metrics)
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 2**40, "b": 0.5, "c": 0.1, "d": 7}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("nan"), np.float64("nan"), Path("a"), {1, 2}])
def test_other_values_are_refused(tmp_path: Path, value: object) -> None:
    """NaN, infinity and objects are refused, and the old metrics stay."""
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises((ValueError, TypeError), match=r"JSON compliant|a metric must be a number, found"):
        outputs.write_metrics(path, {"a": 1, "b": value})
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_tables(tmp_path: Path) -> None:
    """Lines end with LF, None is an empty cell, and cells are quoted where necessary."""
    outputs.write_table(tmp_path / "a.csv", ["image", "dice"], iter([("a, b.jpg", 0.5), ("c.jpg", None)]))
    assert (tmp_path / "a.csv").read_bytes() == b'image,dice\n"a, b.jpg",0.5\nc.jpg,\n'
