"""A prepared data set that is not as it was written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages import preprocess
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
