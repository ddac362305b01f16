"""Ids of images from their paths in an archive, by the regular expressions of `stages.dataset.layout.Files`.

>>> pattern = Pattern("train_images", r"train/(case\\d+)/(slice_\\d+)_.*\\.png", "_")
>>> pattern.image_id("train/case7/slice_3_266.png"), pattern.name("train/case7/slice_3_266.png"), pattern.folder
('case7_slice_3', 'case7_slice_3.png', 'train/')
"""

import posixpath
import re
from collections.abc import Iterable

from stages.dataset.images import SUFFIXES

_LITERAL = re.compile(r"(?:[^\\.^$*+?{}\[\]|()]|\\[^A-Za-z0-9])*")


class Pattern:
    """The regular expression for the paths of images, and the names that follow from its groups.

    Args:
        key: its key in `competition.files`.
        text: the expression; it has a group.
        separator: between the groups of an id.

    Attributes:
        literal: the text that every matching path begins with.
        folder: the part of it that ends in a slash.
    """

    def __init__(self, key: str, text: str, separator: str) -> None:
        self.key, self.text, self._separator = f"competition.files.{key}", text, separator
        self._pattern = re.compile(text)
        self.literal = _literal(text)
        self.folder = self.literal[: self.literal.rfind("/") + 1]

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"

    def image_id(self, path: str) -> str | None:
        """The id of an image, which tables use; None: the path does not match.

        Args:
            path: relative to the folder of the training table.
        """
        match = self._pattern.fullmatch(path)
        return None if match is None else self._separator.join(group for group in match.groups() if group is not None)

    def name(self, path: str) -> str | None:
        """The name under which an image is stored: its id, with the file's extension unless the id ends in it."""
        image, suffix = self.image_id(path), posixpath.splitext(path)[1]
        return image if image is None or image.lower().endswith(suffix.lower()) else image + suffix


def matching(paths: Iterable[str], pattern: Pattern) -> dict[str, str]:
    """Paths of the images among some files, by the names under which they are stored."""
    return {name: path for path in sorted(paths) if is_image(path) and (name := pattern.name(path)) is not None}


def _literal(pattern: str) -> str:
    """The text with which every match of a regular expression begins, as far as it is easy to see."""
    if "|" in pattern:
        return ""
    found = _LITERAL.match(pattern)
    text, rest = (found[0], pattern[found.end() :]) if found else ("", pattern)
    if rest.startswith(("*", "?", "{")) and text:  # the last character may be absent
        text = text[: -2 if text[-2:-1] == "\\" else -1]
    return re.sub(r"\\(.)", r"\1", text)


def is_hidden(path: str) -> bool:
    """Whether a file or one of its folders is hidden, or is a shadow that a Mac adds."""
    return "/." in f"/{path}" or "__MACOSX" in path


def is_image(path: str) -> bool:
    """Whether a file has the extension of an image, and is not hidden."""
    return posixpath.splitext(path)[1].lower() in SUFFIXES and not is_hidden(path)
