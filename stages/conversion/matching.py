"""Which image a label belongs to, by their paths.

A path is given relative to its folder, without the file's extension where labels have another one. Equal paths match.
Folders of labels need not repeat those of the images: a path without an equal one matches the image with which it
shares the most folders and the file name, if there is one such image alone. Where some labels match by paths with
folders, though, the folders count, and no label is moved to another.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from stages.conversion.remarks import some, tell
from stages.pipeline.cli import UserError


def key(path: Path, folder: Path) -> str:
    """A path relative to its folder, without the extension; letters with accents in one form (NFC).

    >>> key(Path("images/a/1.5.jpg"), Path("images"))
    'a/1.5'
    """
    return plain(path.relative_to(folder).with_suffix("").as_posix())


def plain(path: str) -> str:
    """Text in one Unicode form, since systems differ in that of file names."""
    return unicodedata.normalize("NFC", path)


def by_key(paths: Iterable[Path], folder: Path, what: str) -> dict[str, Path]:
    """Files by their keys.

    Raises:
        UserError: two files have one key.
    """
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(key(path, folder), path)
        if other != path:
            raise UserError(f"{folder}: expected one {what} named {path.stem}, found {other} and {path}")
    return found


def owners(labels: Sequence[tuple[str, str]], images: Mapping[str, Path]) -> dict[str, str]:
    """Match labels to images.

    Args:
        labels: of each label how it is called in messages, which is unlike all others, and its path.
        images: the images by their paths.

    Returns:
        The path of each label's image, by how the label is called; a label without an image is left out.

    Raises:
        UserError: several images fit a label.
    """
    found = {shown: path for shown, path in labels if path in images}
    if len(found) == len(labels) or any("/" in path for path in found.values()):
        return found
    by_name: dict[str, list[str]] = {}
    for path in images:
        by_name.setdefault(PurePosixPath(path).name, []).append(path)
    moved = []
    for shown, path in labels:
        fitting = [] if shown in found else _nearest(path, by_name.get(PurePosixPath(path).name, []))
        if len(fitting) > 1:
            raise UserError(
                f"{shown}: expected one image of this name, found {images[fitting[0]]} and {images[fitting[1]]}: "
                "give the label the folders of its image"
            )
        if fitting:
            found[shown] = fitting[0]
            moved.append(shown)
    if moved:
        tell(f"labels whose folders are not those of their images, matched by their names: {some(moved)}")
    return found


def _nearest(path: str, candidates: Sequence[str]) -> list[str]:
    """Those of the candidates that share the most last parts with a path."""
    shared = [_shared(path, candidate) for candidate in candidates]
    return [candidate for candidate, count in zip(candidates, shared, strict=True) if count == max(shared)]


def _shared(one: str, other: str) -> int:
    count = 0
    for first, second in zip(reversed(one.split("/")), reversed(other.split("/")), strict=False):
        if first != second:
            break
        count += 1
    return count
