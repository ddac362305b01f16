"""Which files are images, by a pattern whose groups make the id: see `stages.dataset.layout.Files`."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from stages.dataset.images import SUFFIXES


def matching(paths: Iterable[str], pattern: str, separator: str) -> list[tuple[str, str]]:
    """Names and paths of the images among some files, sorted by path.

    Args:
        paths: of the files, with slashes, relative to the folder of the training table.
        pattern: matches the whole path of an image.
        separator: between the groups of an id.

    Returns:
        For each image the name of its file behind the readers (the id, with the file's extension) and its path.

        >>> matching(["a/1/x.png", "a/1/x.txt"], r"a/(.+)/(.+)\\.png", "_")
        [('1_x.png', 'a/1/x.png')]
    """
    compiled = re.compile(pattern)
    found = []
    for path in sorted(paths):
        suffix = PurePosixPath(path).suffix
        match = compiled.fullmatch(path)
        if match is None or suffix.lower() not in SUFFIXES or PurePosixPath(path).name.startswith("."):
            continue
        image = separator.join(group for group in match.groups() if group)
        found.append((image if image.lower().endswith(suffix.lower()) else image + suffix, path))
    return found
