"""How the classes are called."""

import re
from collections.abc import Sequence

from stages.conversion.class_rules import BACKGROUND
from stages.conversion.label_pictures import HIGHEST
from stages.conversion.remarks import tell
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,59}")


def plain(names: Sequence[str]) -> list[str]:
    """Names as params.yaml allows them; what is changed is told."""
    plain = [re.sub(r"[^A-Za-z0-9_-]+", "_", name).lstrip("-")[:60] or "class" for name in names]
    for name, better in zip(names, plain, strict=True):
        if name != better:
            tell(f"the class {name!r} is called {better}")
    return plain


def checked(names: Sequence[str], expected: int, what: str) -> list[str]:
    """See that there are as many names as `what`, and that params.yaml allows them."""
    if len(names) != expected:
        raise UserError(f"--classes: expected {expected} names, as there are {what}, found {len(names)}")
    if not 1 <= len(names) <= HIGHEST:
        raise UserError(f"--classes: expected 1 … {HIGHEST} classes, found {len(names)} {what}")
    for name in names:
        if not _NAME.fullmatch(name) or name.casefold() == BACKGROUND:
            raise UserError(f"--classes: expected names of letters, digits, _ and -, not background, found {name!r}")
    first: dict[str, str] = {}
    for name in names:
        if name.casefold() in first:
            raise UserError(
                f"--classes: expected different names, in upper or lower case, found {first[name.casefold()]} and "
                f"{name}: where they mean one class, write it in one way in the labels"
            )
        first[name.casefold()] = name
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
