"""How a label picture tells its class: by its path, by its colours, or by class ids."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.conversion import text_files
from stages.conversion.label_pictures import Colour
from stages.pipeline.cli import UserError

BLACK = -1  # instead of a ClassId: the picture must be black
BACKGROUND = "background"


@dataclass(frozen=True)
class ClassOf:
    """How the class of a black-and-white label picture is told; with nothing set, pictures hold class ids.

    Attributes:
        prefixes: of the names of the files, ClassId 1 first; the longest that matches counts, "" matches every name.
        suffixes: that follow the image's name, ClassId 1 first: an image may have several pictures.
        folders: names of folders in the paths, each with its ClassId; pictures in other folders must be black.
        single: whether there is one class.
        colours: ClassId of each colour.
    """

    prefixes: Sequence[str] = ()
    suffixes: Sequence[str] = ()
    folders: Mapping[str, int] | None = None
    single: bool = False
    colours: Mapping[Colour, int] | None = None

    def of(self, picture: Path) -> int:
        """ClassId of the white pixels of a picture without a suffix; 0: it holds class ids or colours.

        Raises:
            UserError: nothing fits.
        """
        if self.prefixes:
            matching = [prefix for prefix in self.prefixes if picture.stem.startswith(prefix)]
            if not matching:
                raise UserError(f"{picture}: expected a name that starts with one of {', '.join(self.prefixes)}")
            return list(self.prefixes).index(max(matching, key=len)) + 1
        if self.folders is not None:
            found = [class_id for folder, class_id in self.folders.items() if folder in picture.parts[:-1]]
            if len(found) > 1:
                raise UserError(f"{picture}: expected one folder of --class-folders in its path, found several")
            return found[0] if found else BLACK
        return 1 if self.single else 0

    def readings(self, path: str) -> list[tuple[str, int]]:
        """The paths that a label's image can have, each with its ClassId, the longest suffix first.

        Args:
            path: of a label, without the extension.
        """
        matching = sorted((suffix for suffix in self.suffixes if path.endswith(suffix)), key=len, reverse=True)
        return [(path.removesuffix(suffix), list(self.suffixes).index(suffix) + 1) for suffix in matching]


def colours(file: Path) -> tuple[list[str], dict[Colour, int]]:
    """Read a table of colours: on each line red, green and blue, or #rrggbb, and the name of the class.

    Colours of the name background have no class.

    Raises:
        UserError: a line holds something else, or a colour twice.
    """
    names: list[str] = []
    found: dict[Colour, int] = {}
    try:
        lines = list(csv.reader(text_files.text(file).splitlines()))
    except csv.Error as error:
        raise UserError(f"{file}: expected a table of colours ({error})") from None
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        *parts, name = [part.strip() for part in line]
        colour = _colour(parts)
        if colour is None or not name:
            raise UserError(
                f"{file}, line {number}: expected red,green,blue,name or #rrggbb,name, found {','.join(line)!r}"
            )
        if colour in found:
            raise UserError(f"{file}, line {number}: expected every colour once, found {colour} again")
        is_background = name.casefold() == BACKGROUND
        if not is_background and name not in names:
            names.append(name)
        found[colour] = 0 if is_background else names.index(name) + 1
    return names, found


def _colour(parts: Sequence[str]) -> Colour | None:
    """Red, green and blue of three numbers, or of one code such as #ff0000."""
    if len(parts) == 1 and len(parts[0]) == 7 and parts[0].startswith("#") and parts[0].isascii():
        parts = [parts[0][place : place + 2] for place in (1, 3, 5)]
        base = 16
    else:
        base = 10
    try:
        values = [int(part, base) for part in parts if part.isalnum()]
    except ValueError:
        return None
    if len(parts) != 3 or len(values) != 3 or max(values) > 255:
        return None
    return values[0], values[1], values[2]
