"""The split of an earlier conversion, which stays as it is when images are added.

The content of an image decides whether it was there, not its name: a name can pass to another picture, and a picture
can get another name.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from stages.conversion import folders
from stages.conversion.remarks import some, tell
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError

TRAIN, TEST = "train_images", "test_images"
_CHUNK = 1 << 20  # bytes
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # the last two: encrypted


@dataclass(frozen=True)
class Earlier:
    """The images of an earlier output.

    Attributes:
        names: for each content, by its SHA-256, the names that had it, and whether each was a test image.
    """

    names: Mapping[bytes, Mapping[str, bool]]

    def side(self, content: bytes, name: str) -> bool | None:
        """Whether an image was a test image; None: it was not there.

        Where one content lay on both sides, its name decides; with a new name it is a training image.
        """
        known = self.names.get(content)
        if known is None:
            return None
        return known[name] if name in known else all(known.values())


def read(output: Path) -> Earlier:
    """Read an earlier output.

    Raises:
        UserError: it is no output of convert, or damaged.
    """
    found: dict[bytes, dict[str, bool]] = {}
    try:
        for path, opened in _entries(output):
            if path.startswith((f"{TRAIN}/", f"{TEST}/")):
                with opened() as stream:
                    content = digest(stream)
                found.setdefault(content, {})[PurePosixPath(path).name] = path.startswith(f"{TEST}/")
    except (OSError, *_DAMAGED) as error:
        raise UserError(f"{output}: expected an earlier output of convert, found no readable one ({error})") from None
    if not found:
        raise UserError(f"{output}: expected {TRAIN}/ and {TEST}/ of an earlier output of convert, found neither")
    return Earlier(found)


def digest(stream: IO[bytes]) -> bytes:
    """SHA-256 of what is left in a stream."""
    sha256 = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        sha256.update(chunk)
    return sha256.digest()


def sides(names: Sequence[str], contents: Sequence[bytes], earlier: Earlier) -> Int64:
    """On which side each image was: 1 a test image, 0 a training image, -1 not there. int64 (images,).

    Args:
        names: of the images.
        contents: SHA-256 of each.
        earlier: the images of the earlier output.
    """
    was = (earlier.side(content, name) for content, name in zip(contents, names, strict=True))
    return np.array([-1 if side is None else int(side) for side in was], np.int64)


def compare(names: Sequence[str], contents: Sequence[bytes], earlier: Earlier) -> None:
    """Tell which images are renamed, changed, new and gone since the earlier output.

    Args:
        names: of the images.
        contents: SHA-256 of each.
        earlier: the images of the earlier output.
    """
    pairs, present = list(zip(names, contents, strict=True)), set(contents)
    before = {name for known in earlier.names.values() for name in known}
    renamed = [name for name, content in pairs if content in earlier.names and name not in earlier.names[content]]
    changed = [name for name, content in pairs if content not in earlier.names and name in before]
    new = [name for name, content in pairs if content not in earlier.names and name not in before]
    gone = {content: known for content, known in earlier.names.items() if content not in present}
    test = [name for known in gone.values() for name, side in known.items() if side]
    train = [name for known in gone.values() for name, side in known.items() if not side]
    for what, found in (
        ("images under a new name stay on their side", renamed),
        ("images whose content changed under the same name are taken for new ones", changed),
        ("new images", new),
        ("training images whose content is no longer there", train),
        ("test images whose content is no longer there", test),
    ):
        if found:
            tell(f"--keep: {what}: {some(sorted(found))}")


def _entries(output: Path) -> Iterator[tuple[str, Callable[[], IO[bytes]]]]:
    """Path and content of each file, sorted."""
    if folders.is_folder(output):
        for path in sorted(path for part in (TRAIN, TEST) for path in (output / part).glob("*") if path.is_file()):
            yield path.relative_to(output).as_posix(), lambda path=path: path.open("rb")  # type: ignore[misc]
        return
    if output.exists() and not output.is_file():
        raise UserError(f"{output}: expected a zip or a folder, found a pipe or a device")
    with zipfile.ZipFile(output) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith("/"):
                yield name, lambda name=name: archive.open(name)  # type: ignore[misc]
