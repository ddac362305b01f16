"""The classes of one's own labels: how each label tells its class, and how the classes are called."""

import re
from collections.abc import Sequence
from typing import Any

from stages.dataset import own_sources
from stages.dataset.own_sources import ClassOf
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,59}")


def class_of(given: Any) -> tuple[ClassOf, list[str]]:
    """How the class of a label picture is told, and the names of the classes; none if they follow from the labels.

    Args:
        given: the options of the command convert.
    """
    if given.colours:
        stated, colours = own_sources.colours(given.colours)
        return ClassOf(colours=colours), checked(given.classes or plain(stated), len(stated), "colours")
    if given.single:
        return ClassOf(single=True), checked([given.single], 1, "class")
    for kind, texts in (("prefixes", given.class_prefixes), ("suffixes", given.class_suffixes)):
        if len(set(texts)) != len(texts):
            raise UserError(f"--class-{kind}: expected different {kind}, found {', '.join(texts)}")
        if texts:
            names = checked(given.classes or [text.strip("_-. ") or "defect" for text in texts], len(texts), kind)
            return (ClassOf(prefixes=tuple(texts)) if kind == "prefixes" else ClassOf(suffixes=tuple(texts))), names
    if given.class_folders:
        pairs = [text.partition("=")[::2] for text in given.class_folders]
        names = list(dict.fromkeys(name or folder for folder, name in pairs))
        folders = {folder: names.index(name or folder) + 1 for folder, name in pairs}
        return ClassOf(folders=folders), checked(given.classes or plain(names), len(names), "folders")
    return ClassOf(), checked(given.classes, len(given.classes), "names") if given.classes else []


def plain(names: Sequence[str]) -> list[str]:
    """Names as params.yaml allows them; what is changed is told."""
    plain = [re.sub(r"[^A-Za-z0-9_-]+", "_", name).lstrip("-")[:60] or "class" for name in names]
    for name, better in zip(names, plain, strict=True):
        if name != better:
            print(f"convert: the class {name!r} is called {better}")
    return plain


def checked(names: Sequence[str], expected: int, what: str) -> list[str]:
    """See that there are as many names as `what`, and that params.yaml allows them."""
    if len(names) != expected:
        raise UserError(f"--classes: expected {expected} names, as there are {what}, found {len(names)}")
    for name in names:
        if not _NAME.fullmatch(name) or name == "background":
            raise UserError(f"--classes: expected names of letters, digits, _ and -, not background, found {name!r}")
    if len({name.casefold() for name in names}) != len(names):
        raise UserError(f"--classes: expected different names, found {', '.join(names)}")
    return list(names)


def numbered(pixels: Int64) -> list[str]:
    """Names for the class ids in labels, by the pixels of each class, int64 (images, classes); every id must occur."""
    areas = pixels.sum(axis=0).tolist()
    if not areas:
        raise UserError("expected class ids in the labels, found only background")
    lacking = [str(number) for number, area in enumerate(areas, start=1) if not area]
    if lacking:
        raise UserError(
            f"expected every class id from 1 to the highest, {len(areas)}, in some label, "
            f"found none of {', '.join(lacking[:5])}: name the classes with --classes if that is right"
        )
    return [f"defect_{number}" for number in range(1, len(areas) + 1)]
