"""Weights of PyTorch are read as arrays, and nothing else in such a file is ever built or called."""

import collections
import os
import pickle
import struct
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.training import torch_file


class _Saved:
    """A tensor as PyTorch pickles it: a call of its own function with a storage, an offset, a shape and strides."""

    def __init__(self, key: str, size: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.storage = _Storage(key, size)
        self.place: tuple[Any, ...] = (offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (self.storage, *self.place)


class _Storage:
    def __init__(self, key: str, size: int) -> None:
        self.key, self.size = key, size


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, _Storage):
            return "storage", sys.modules["torch"].FloatStorage, obj.key, "cpu", obj.size, None
        return None


@pytest.fixture(autouse=True)
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules with the names that PyTorch's pickles refer to, for writing alone."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    class FloatStorage:
        pass

    def _rebuild_tensor_v2() -> None:
        pass

    for owner, item in ((torch, FloatStorage), (utils, _rebuild_tensor_v2)):
        item.__module__, item.__qualname__ = owner.__name__, item.__name__
        setattr(owner, item.__name__, item)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def _write(path: Path, content: dict[str, Any], numbers: dict[str, list[float]]) -> Path:
    with path.open("wb") as file:
        for item in (torch_file.MAGIC, torch_file.VERSION, {"little_endian": True}):
            pickle.dump(item, file, protocol=2)
        _Pickler(file, protocol=2).dump(collections.OrderedDict(content))
        pickle.dump(sorted(numbers), file, protocol=2)
        for key in sorted(numbers):
            file.write(struct.pack(f"<q{len(numbers[key])}f", len(numbers[key]), *numbers[key]))
    return path


def test_tensors_follow_their_strides(tmp_path: Path) -> None:
    """Six numbers that lie column by column are another matrix than row by row."""
    content = {"rows": _Saved("1", 6, 0, (2, 3), (3, 1)), "columns": _Saved("2", 6, 0, (2, 3), (1, 2))}
    found = torch_file.read(_write(tmp_path / "w.pth", content, {"1": [1, 2, 3, 4, 5, 6], "2": [1, 2, 3, 4, 5, 6]}))
    assert found["rows"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found["columns"].tolist() == [[1, 3, 5], [2, 4, 6]]
    assert found["rows"].dtype == np.float32


def test_two_tensors_in_one_storage(tmp_path: Path) -> None:
    """The second begins where the first ends, and a number has no axes."""
    content = {"first": _Saved("1", 3, 0, (2,), (1,)), "last": _Saved("1", 3, 2, (), ())}
    found = torch_file.read(_write(tmp_path / "w.pth", content, {"1": [7, 8, 9]}))
    assert found["first"].tolist() == [7, 8]
    assert found["last"].tolist() == 9


class _Command:
    """What an attacker would put into a pickle."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def test_nothing_is_called(tmp_path: Path) -> None:
    """A pickle that runs a command is refused by the command's name, and the command does not run."""
    file = _write(tmp_path / "w.pth", {"weight": _Command(f"touch {tmp_path / 'ran'}")}, {})
    with pytest.raises(ValueError, match=r"expected tensors of FloatStorage or LongStorage alone, found .*system"):
        torch_file.read(file)
    assert not (tmp_path / "ran").exists()


def test_other_things_than_tensors(tmp_path: Path) -> None:
    """A number among the tensors is refused."""
    with pytest.raises(ValueError, match="expected tensors alone"):
        torch_file.read(_write(tmp_path / "w.pth", {"epoch": 3}, {}))


@pytest.mark.parametrize("shape", [(7,), (-1,)])
def test_a_tensor_outside_of_its_storage(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Strides that lead past the end would read other memory."""
    content = {"weight": _Saved("1", 6, 0, shape, (1,))}
    with pytest.raises(ValueError, match="a tensor of"):
        torch_file.read(_write(tmp_path / "w.pth", content, {"1": [0] * 6}))


def test_a_file_that_is_cut_off_anywhere(tmp_path: Path) -> None:
    """Each shorter file is refused in one way."""
    whole = _write(tmp_path / "w.pth", {"weight": _Saved("1", 2, 0, (2,), (1,))}, {"1": [1, 2]}).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"."):
            torch_file.read(tmp_path / "cut.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a newer format", b"\x80\x02K\x01." * 5])
def test_other_formats(tmp_path: Path, content: bytes) -> None:
    """A zip, as newer versions of PyTorch write it, and other pickles are refused."""
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match="another format"):
        torch_file.read(tmp_path / "w.pth")
