"""Which files of a folder are taken, told or refused; nothing hangs and nothing is left out silently."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.conversion import folders, text_files
from stages.pipeline.cli import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `x` with one image, in the current one."""
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    Path("x/a.png").touch()
    return tmp_path


def test_upper_case_counts(folder: Path) -> None:
    """Cameras write .JPG; every suffix is taken in upper and lower case, in folders below too, hidden files are not."""
    Path("x/y").mkdir()
    for name in ("b.JPG", "c.Jpeg", "y/d.TIFF", ".e.png", "y/f.BMP"):
        Path("x", name).touch()
    assert [path.name for path in folders.pictures(Path("x"))] == ["a.png", "b.JPG", "c.Jpeg", "d.TIFF", "f.BMP"]


def test_files_of_other_kinds_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A WebP would be missed; a text beside the images would not."""
    for name in ("b.webp", "c.heic", "d.txt", "e.gif", "f.jp2"):
        Path("x", name).touch()
    folders.pictures(Path("x"))
    assert "are left out: 4 (b.webp, c.heic, e.gif, …)\n" in capsys.readouterr().out


def make_socket(path: Path) -> None:
    """A socket of the file system."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


ENTRY = "expected a file or a folder, found a link"
LEADS_BACK, NOT_THERE = "that leads back to itself", "to gone, which is not there"
BAD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "pipe": (os.mkfifo, "x/b.png", "x/b.png: expected a file, found a named pipe"),
    "socket": (make_socket, "x/b.PNG", "x/b.PNG: expected a file, found a socket"),
    "broken link": (lambda path: path.symlink_to("gone"), "x/b.png", f"x/b.png: {ENTRY} {NOT_THERE}"),
    "lost folder": (lambda path: path.symlink_to("gone"), "x/b", f"x/b: {ENTRY} {NOT_THERE}"),
    "link to itself": (lambda path: path.symlink_to("b.png"), "x/b.png", f"x/b.png: {ENTRY} {LEADS_BACK}"),
    "folder above": (
        lambda path: path.symlink_to(".."),
        "x/b",
        f"x/b/x: expected a folder of its own, found a link {LEADS_BACK}",
    ),
    "no UTF-8": (Path.touch, os.fsdecode(b"x/\xff.png"), "x: expected file names in UTF-8, found '\\udcff.png'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_plain_file_is_refused(folder: Path, kind: str) -> None:
    """One message that names the entry; in particular, a pipe is not waited for."""
    make, name, message = BAD[kind]
    make(Path(name))
    with pytest.raises(UserError) as refusal:
        folders.pictures(Path("x"))
    assert str(refusal.value) == message


def test_a_pipe_that_is_not_wanted_is_left_alone(folder: Path) -> None:
    """A program's socket or pipe without a picture's suffix does not matter."""
    os.mkfifo("x/control")
    assert folders.listing(Path("x"), (".png",)).chosen == [Path("x/a.png")]


def test_an_unreadable_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images would be lost; root can read every folder, so the refusal is played."""
    Path("x/y").mkdir()
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "y":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(UserError, match=r"^x/y: expected a readable folder \(Permission denied\)$"):
        folders.pictures(Path("x"))


@pytest.mark.parametrize("name", ["none", "loop", "x/a.png"])
def test_no_folder(folder: Path, name: str) -> None:
    """Nothing, a link to itself and a file."""
    Path("loop").symlink_to("loop")
    with pytest.raises(UserError, match=f"^{name}: expected a "):
        folders.pictures(Path(name))


def test_a_folder_of_something_else_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masks in a folder below the images are no images; a link to the folder itself changes nothing."""
    Path("x/masks").mkdir()
    Path("x/masks/a.png").touch()
    assert folders.pictures(Path("x"), (Path("x/masks"), Path("x"))) == [Path("x/a.png")]
    assert capsys.readouterr().out == "convert: x/masks is left out of x: it is another folder of this conversion\n"


def test_text_is_not_read_from_a_pipe(folder: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo("coco.json")
    for name in ("coco.json", "x", "none"):
        with pytest.raises(UserError, match=f"^{name}: expected a "):
            text_files.text(Path(name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{\x00", "expected text in UTF-8"),
        (b"", "expected JSON, found: "),
        (b"[" * 100_000, "expected JSON, found: "),
        (b"[]", "expected a JSON object, found list"),
    ],
)
def test_json_that_is_none(folder: Path, content: bytes, message: str) -> None:
    """UTF-16, an empty file, brackets without end and a list."""
    Path("a.json").write_bytes(content)
    with pytest.raises(UserError) as refusal:
        text_files.json_object(Path("a.json"))
    assert str(refusal.value).startswith(f"a.json: {message}")


def test_a_byte_order_mark_is_no_text(folder: Path) -> None:
    """Editors on Windows write one, and other line ends."""
    Path("a.json").write_bytes(b'\xef\xbb\xbf{"a":\r\n1}\r\n')
    assert text_files.json_object(Path("a.json")) == {"a": 1}
