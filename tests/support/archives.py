"""Small competitions as folders and zips, and the messages about those that cannot be read."""

import zipfile
from pathlib import Path

import pytest

from stages.dataset import archive
from stages.dataset.layout import Files
from stages.pipeline.cli import UserError

USUAL = Files()


TRAIN, TEST = (
    "competition.files.train_images: train_images/([^/]+)",
    "competition.files.test_images: test_images/([^/]+)",
)


FILES = {
    "train_images/a.jpg": b"A" * 999,
    "train_images/b.jpg": b"B",
    "test_images/c.jpg": b"",
    "train.csv": b"ImageId,ClassId,EncodedPixels\n",
    "sample_submission.csv": b"ImageId,EncodedPixels,ClassId\n",
}


NUMBERS = "".join(f"{number},{number**3}\n" for number in range(300)).encode()  # about 1,400 bytes when packed


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip with these files."""
    with zipfile.ZipFile(path, "w", compression) as written:
        for name, content in files.items():
            written.writestr(name, content)
    return path


def below(top: str, files: dict[str, bytes] = FILES) -> dict[str, bytes]:
    """The same files below one folder more."""
    return {f"{top}/{name}": content for name, content in files.items()}


def message(source: Path, target: Path, files: Files = USUAL) -> str:
    """The message about a source that is refused."""
    with pytest.raises(UserError) as reported:
        archive.copy(source, target, "the source", files)
    assert str(reported.value).startswith("the source: ")
    return str(reported.value).removeprefix("the source: ")
