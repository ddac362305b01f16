"""A prepared data set that is not as it was written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import preprocess
from stages.dataset import integrity, true_masks
from stages.dataset.prepared import Dataset
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(competition_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny competition, prepared."""
    (tmp_path / "data").mkdir()
    shutil.move(competition_folder, tmp_path / "data/raw")
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parameters["competition"] |= {"image_height": 32, "image_width": 64}
    parameters["preprocess"] |= {"folds": 3}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    preprocess.preprocess()
    return tmp_path / "data/prepared"


def half(raw: bytes) -> bytes:
    """The first half, to a line end if it is text."""
    return raw[: raw.rfind(b"\n", 0, len(raw) // 2) + 1] if raw.isascii() else raw[: len(raw) // 2]


def flipped(raw: bytes) -> bytes:
    """One bit in the middle."""
    return raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "half": half,
    "flipped": flipped,
    "empty": lambda raw: b"",
    "other": lambda raw: b"[]",
}
SMALL = ("index.csv", "signatures.npy", "masks_index.npy", "summary.json")
LARGE = ("images.npy", "labels.npy", "masks.npy")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", SMALL + LARGE)
def test_a_damaged_file(name: str, change: str, folder: Path) -> None:
    """One message that names a file and the command; a single bit in the pixels is for DVC to find."""
    file = folder / name
    file.write_bytes(CHANGES[change](file.read_bytes()))
    if name in LARGE and change == "flipped":
        Dataset(folder)
        return
    with pytest.raises(
        UserError, match=r"data/prepared/\S+: expected the file that preprocess wrote, .*--force preprocess"
    ):
        Dataset(folder)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("layout", "classes"), ["pits"]),
        (("layout", "classes"), ["pits", "pits", "cracks", "scratches", "patches"]),
        (("layout", "height"), "32"),
        (("layout", "height"), 0),
        (("layout", "overlapping"), 1),
        (("layout", "images", "sizes"), "other"),
        (("layout", "images", "levels"), [1]),
        (("layout", "submission", "height"), {}),
        (("layout", "submission", "width"), 10**9),
        (("folds",), "3"),
        (("folds",), True),
    ],
)
def test_a_summary_with_other_values(place: tuple[str, ...], value: object, folder: Path) -> None:
    """Each has the type that the layout states, and belongs to the index."""
    summary = json.loads((folder / "summary.json").read_text())
    inside = summary
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match=r"summary\.json: expected the file that preprocess wrote"):
        Dataset(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",32,64,", ",32,x,"),
        (",32,64,", ",32"),
        (",32,64,", ",32,0,"),
        (",32,64,", ",99999,64,"),
        ("width", "w"),
        ("train_00", "\udc80"),
    ],
)
def test_an_index_of_another_kind_with_its_checksum(old: str, new: str, folder: Path) -> None:
    """As another version of this pipeline might have written it."""
    index, summary = folder / "index.csv", json.loads((folder / "summary.json").read_text())
    index.write_text(index.read_text().replace(old, new), errors="surrogateescape")
    summary[integrity.KEY] |= integrity.of_files(folder, ["index.csv"])
    (folder / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match="expected the file that preprocess wrote"):
        Dataset(folder)


@pytest.mark.parametrize(
    "masks", [[[0, 0, 0, 0]], [[0, 256, 0, 0]], [[1, 1, 0, 0], [0, 1, 0, 0]], [[0, 1, 5, 0]], [[0, 1, 0, -1]]]
)
def test_an_index_of_masks_of_another_kind(masks: list[list[int]], folder: Path) -> None:
    """Classes from 1, positions in order, runs one after the other."""
    np.save(folder / true_masks.INDEX, np.array(masks, np.int64))
    with pytest.raises(UserError, match=r"masks_index\.npy: expected the file that preprocess wrote"):
        true_masks.TrueMasks(folder)


def test_a_header_that_numpy_would_guess(folder: Path) -> None:
    """NumPy reads numbers as Python 2 wrote them, with a warning."""
    file = folder / "signatures.npy"
    file.write_bytes(file.read_bytes().replace(b"(12, ", b"(12L,"))
    with pytest.raises(UserError, match=r"signatures\.npy: expected the file that preprocess wrote"):
        integrity.read_array(file)
