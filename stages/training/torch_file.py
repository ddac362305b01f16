"""Read the tensors of a file that `torch.save` wrote, without PyTorch and without running anything that it holds.

Such a file is a pickle, which may name any function of Python to be called. Here only what describes a tensor is
known; everything else is refused. The format is the older one, of versions before 1.6, in which weights from 2020 come:
a magic number, the version, facts of the machine, the pickle, the keys of the storages, and then each storage with its
length. Source: `torch/serialization.py` of PyTorch, `_legacy_save`.
"""

import collections
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
# What pickle raises for bytes that are none of its own, besides ValueError.
DAMAGE = (
    pickle.UnpicklingError, EOFError, struct.error, TypeError, LookupError, AttributeError, OverflowError, MemoryError,
    RecursionError,
)  # fmt: skip
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True)
class _Storage:
    """Where numbers lie that tensors are views of."""

    key: str
    dtype: Any
    size: int


@dataclass(frozen=True)
class _View:
    """A tensor: places in a storage, in steps of `strides` numbers, as PyTorch keeps it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The tensor, copied, in the order of its axes. Without the strides it would be another one."""
        pairs = list(zip(self.shape, self.strides, strict=True))
        if min((self.offset, *self.shape, *self.strides), default=0) < 0:
            raise ValueError("a tensor of negative size")
        last = self.offset + sum((length - 1) * stride for length, stride in pairs)
        if last >= len(numbers) and 0 not in self.shape:
            raise ValueError(f"a tensor of {last + 1} numbers in a storage of {len(numbers)}")
        steps = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps).copy()


class _Tensors(pickle.Unpickler):
    """Knows what a mapping of names to tensors is made of, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise ValueError(f"expected tensors of {' or '.join(STORAGES)} alone, found {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or type(key) is not str or type(size) is not int:
            raise ValueError(f"expected a storage, found {kind}")
        return _Storage(key, dtype, size)


def _view(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _View:
    if not isinstance(storage, _Storage):
        raise TypeError("expected a tensor in a storage")
    return _View(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a file by their names: float32 or int64, in the shapes and axes of PyTorch.

    Raises:
        ValueError: it holds something else, or is damaged; the message says what was found.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        try:
            magic, version, _, content, keys = (_Tensors(file).load() for _ in range(5))
            if (magic, version) != (MAGIC, VERSION):
                raise ValueError("another format")
            views = {str(name): view for name, view in content.items() if isinstance(view, _View)}
            if len(views) != len(content):
                raise ValueError("expected tensors alone")
            storages = {view.storage.key: view.storage for view in views.values()}
            if sorted(storages) != sorted(keys):
                raise ValueError("expected one storage for each key")
            numbers = {key: _numbers(file, storages[key]) for key in keys}
            return {name: view.array(numbers[view.storage.key]) for name, view in views.items()}
        except DAMAGE as error:
            raise ValueError(f"expected tensors, found a damaged file or another format: {error}") from None


def _numbers(file: BinaryIO, storage: _Storage) -> NDArray[Any]:
    (size,) = struct.unpack("<q", file.read(8))
    if size != storage.size:
        raise ValueError(f"expected {storage.size} numbers in a storage, found {size}")
    raw = file.read(size * storage.dtype.itemsize)
    return np.frombuffer(raw, storage.dtype, count=size)
