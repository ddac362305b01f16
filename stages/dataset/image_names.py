"""The files of a folder of images, found by the ids that tables use: with the file's extension or without."""

import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

from stages.pipeline.cli import UserError

LONGEST_NAME = 251  # bytes of a file name; file systems take 255, and the probabilities are stored as NAME.bin
SHARED = "macOS and Windows take names that differ in upper and lower case alone for one file"


def file_key(name: str) -> str:
    """What names have in common that share a file on some system: case, and how accents are written, do not count.

    >>> file_key("A.png") == file_key("a.PNG"), file_key("\u00e9") == file_key("e\u0301")
    (True, True)
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class ImageNames:
    """File names by id.

    Args:
        files: the names of the image files in one folder.

        >>> names = ImageNames(["a.png", "b.1.png"])
        >>> names.file("a"), names.file("a.png"), names.file("b.1"), names.file("b")
        ('a.png', 'a.png', 'b.1.png', None)
    """

    def __init__(self, files: Iterable[str]) -> None:
        self.files = set(files)
        self._by_stem: dict[str, list[str]] = {}
        for name in sorted(self.files):
            self._by_stem.setdefault(PurePath(name).stem, []).append(name)

    def file(self, image: str) -> str | None:
        """The name of an image's file; None if there is none.

        Raises:
            UserError: an id without extension that two files have.
        """
        if image in self.files:
            return image
        found = self._by_stem.get(image, [])
        if len(found) > 1:
            raise UserError(f"expected one image file named {image}, found {', '.join(found)}")
        return found[0] if found else None
