"""The photographs that someone names, one by one or as folders. Each gets masks under a name of its own."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.dataset import images
from stages.dataset.image_names import file_key

# Bytes of a photograph's name: file systems take 255 of a name, and masks get an ending, also while they are written.
LONGEST_NAME = 150

Refuse = Callable[[Path, str], None]  # takes the path that is refused, and why


@dataclass(frozen=True)
class Photograph:
    """A photograph that gets masks.

    Attributes:
        path: of the file.
        name: of its masks, without an ending: that of the file.
    """

    path: Path
    name: str


class Names:
    """Names of masks that are taken, so that no photograph overwrites the masks of another."""

    def __init__(self) -> None:
        self._taken: dict[str, Path] = {}

    def named(self, path: Path, refuse: Refuse) -> Photograph | None:
        """The photograph with the name of its masks; None if it is refused: another one has that name, or it is long.

        Two names are the same if macOS or Windows would take them for one. A photograph may be named again.
        """
        length = len(os.fsencode(path.name))
        if length > LONGEST_NAME or not _is_text(path.name):
            given = f"one of {length}" if _is_text(path.name) else "bytes that are no UTF-8"
            refuse(path, f"expected a name of at most {LONGEST_NAME} bytes, found {given}: rename it")
            return None
        first = self._taken.setdefault(file_key(path.stem), path)
        if place(first) != place(path):
            refuse(path, f"expected another name than {first}, whose masks have the same: rename one")
            return None
        return Photograph(path, path.stem)


def photographs(places: Iterable[Path], names: Names, refuse: Refuse) -> list[Photograph]:
    """The photographs at these places, each once.

    Args:
        places: files, whatever their names; and folders, of which the images count, but not those in folders below.
        names: what is taken already.
        refuse: called for a place without photographs, and for a photograph that gets no masks.
    """
    files = {place(path): path for named in places for path in _at(named, refuse)}
    return [photograph for path in files.values() if (photograph := names.named(path, refuse))]


def place(path: Path) -> Path:
    """A path that is the same however its folder is written. A link to a photograph is a photograph of its own."""
    return Path(os.path.realpath(path.parent)) / path.name


def listed(folder: Path) -> list[Path]:
    """The image files in a folder, by name; hidden ones, as programs make them while they copy, do not count."""
    every = (folder / name for name in images.listing(folder) if not name.startswith("."))
    return [path for path in every if path.is_file()]


def _is_text(name: str) -> bool:
    """Whether a file's name can be written into a table; names on Linux are any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _at(named: Path, refuse: Refuse) -> Iterator[Path]:
    if named.is_dir():
        try:
            files = listed(named)
        except OSError as error:
            refuse(named, f"expected a folder of photographs, found one that cannot be read ({error.strerror})")
            return
        yield from files
        lost = [path for name in images.listing(named) if not (path := named / name).is_file() and not path.is_dir()]
        for path in lost:
            refuse(path, f"expected a photograph, found {'a link to nothing' if path.is_symlink() else 'no file'}")
        if not files and not lost:
            refuse(named, f"expected photographs ({', '.join(images.SUFFIXES)}), found none{_deeper(named)}")
    elif named.is_file():
        yield named
    else:
        refuse(named, f"expected a photograph or a folder, found {'something else' if named.exists() else 'nothing'}")


def _deeper(folder: Path) -> str:
    below = any(entry.is_dir() for entry in folder.iterdir())
    return "; folders within it are not read: name them" if below else ""
