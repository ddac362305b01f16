"""Names of classes, and the table of colours."""

from pathlib import Path

import pytest

from stages.conversion import class_names, class_rules
from stages.pipeline.cli import UserError


def test_names_that_differ_by_case_are_refused() -> None:
    """Pit and pit are one class by mistake, or would be one in params.yaml."""
    with pytest.raises(UserError, match="found Pit and pit: where they mean one class, write it in one way"):
        class_names.checked(["Pit", "line", "pit"], 3, "labels")


@pytest.mark.parametrize(("count", "allowed"), [(0, False), (254, True), (255, False)])
def test_how_many_classes_there_may_be(count: int, allowed: bool) -> None:
    """Labels are stored in bytes, of which 0 is the background and 255 is free."""
    names = [f"c{number}" for number in range(count)]
    if allowed:
        assert class_names.checked(names, count, "names") == names
    else:
        with pytest.raises(UserError, match=f"expected 1 … 254 classes, found {count} names"):
            class_names.checked(names, count, "names")


def test_the_background_is_no_class() -> None:
    """Whatever its case."""
    with pytest.raises(UserError, match="not background, found 'Background'"):
        class_names.checked(["Background"], 1, "names")


def test_a_table_of_colours_of_windows(tmp_path: Path) -> None:
    """A byte order mark, other line ends, an empty line and spaces; Background has no class."""
    (tmp_path / "c.csv").write_bytes(b"\xef\xbb\xbf0,0,255,Background\r\n\r\n#00FF00, pit\r\n 1, 2,3,line\r\n")
    names, colours = class_rules.colours(tmp_path / "c.csv")
    assert names == ["pit", "line"]
    assert colours == {(0, 0, 255): 0, (0, 255, 0): 1, (1, 2, 3): 2}


@pytest.mark.parametrize(
    "line",
    ["#gg0000,pit", "²,0,0,pit", "256,0,0,pit", "-1,0,0,pit", "+1,0,0,pit", "1,2,pit", "1,2,3,", "#ff00,pit", "pit"],
)
def test_lines_that_are_no_colour(tmp_path: Path, line: str) -> None:
    """Each is refused with its line, and none ends in a traceback."""
    (tmp_path / "c.csv").write_text(f"0,0,0,background\n{line}\n")
    with pytest.raises(UserError, match=r"c.csv, line 2: expected red,green,blue,name or #rrggbb,name, found"):
        class_rules.colours(tmp_path / "c.csv")
