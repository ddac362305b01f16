"""The CSV files of both generations: rows, and every fault with its file and line."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.dataset import tables
from stages.dataset.layout import Layout
from stages.dataset.tables import Row
from stages.pipeline import outputs
from stages.pipeline.cli import UserError


def layout(classes: int) -> Layout:
    """A competition with so many classes; the size does not matter to a table."""
    return Layout.unnamed(classes, 1, 1)


SIGNS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="/")
NAMES = st.text(SIGNS, min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))

WRONG_ROWS = [
    ("a.jpg,1", "expected 3 fields, found 2"),
    ("a.jpg,1,1 2,", "expected 3 fields, found 4"),
    (",1,1 2", "expected an image's id, found ''"),
    ("images/a.jpg,1,1 2", "expected an image's id, found 'images/a.jpg'"),
    ("../a.jpg,1,1 2", "expected an image's id, found '../a.jpg'"),
    ("..,1,1 2", "expected an image's id, found '..'"),
    ("a\x1b[2J.jpg,1,1 2", "expected an image's id, found 'a\\x1b[2J.jpg'"),
    ('"a\nb.jpg",1,1 2', "expected an image's id, found 'a\\nb.jpg'"),
    (f"{'/' * 999},1,1 2", f"expected an image's id, found '{'/' * 200}…'"),
    ('"a.jpg"x,1,1 2', "expected CSV, found: ',' expected after '\"'"),
    ('"a.jpg,1,1 2', "expected CSV, found: unexpected end of data"),
    (
        "a.jpg,3,1 2",
        "expected a class in 1 … 2, found '3' (competition.classes in params.yaml names 2; "
        "classes that are written otherwise need competition.columns.class_labels)",
    ),
    (
        "a.jpg,0,1 2",
        "expected a class in 1 … 2, found '0' (competition.classes in params.yaml names 2; "
        "classes that are written otherwise need competition.columns.class_labels)",
    ),
    (
        "a.jpg,,1 2",
        "expected a class in 1 … 2, found '' (competition.classes in params.yaml names 2; "
        "classes that are written otherwise need competition.columns.class_labels)",
    ),
    (
        "a.jpg,1.0,1 2",
        "expected a class in 1 … 2, found '1.0' (competition.classes in params.yaml names 2; "
        "classes that are written otherwise need competition.columns.class_labels)",
    ),
    (
        "a.jpg,-1,1 2",
        "expected a class in 1 … 2, found '-1' (competition.classes in params.yaml names 2; "
        "classes that are written otherwise need competition.columns.class_labels)",
    ),
    (
        "a.jpg,²,1 2",
        "expected a class in 1 … 2, found '²' (competition.classes in params.yaml names 2; "
        "classes that are written otherwise need competition.columns.class_labels)",
    ),
]


def written(folder: Path, content: str | bytes) -> Path:
    """A table with this content."""
    path = folder / "train.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_todays_training_table(tmp_path: Path) -> None:
    """A row per mask, lines counted from 1 with the header."""
    path = written(tmp_path, "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\nb.jpg,2,3 1 5 1\n")
    assert list(tables.read(path, layout(2))) == [Row(2, "a.jpg", 1, "1 2"), Row(3, "b.jpg", 2, "3 1 5 1")]


def test_the_training_table_of_2019(tmp_path: Path) -> None:
    """Image and class are parted at the last underscore, and rows without a mask are rows too."""
    path = written(tmp_path, "ImageId_ClassId,EncodedPixels\nsteel_a.jpg_1,1 2\nsteel_a.jpg_2,\n")
    assert list(tables.read(path, layout(2))) == [Row(2, "steel_a.jpg", 1, "1 2"), Row(3, "steel_a.jpg", 2, "")]


@pytest.mark.parametrize("order", list(itertools.permutations(tables.MASKS)))
def test_columns_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    """Columns are found by their names, as `sample_submission.csv` needs, and `header` keeps their order."""
    cells = {"ImageId": "a.jpg", "ClassId": "2", "EncodedPixels": "1 2"}
    path = written(tmp_path, f"{','.join(order)}\n{','.join(cells[name] for name in order)}\n")
    assert list(tables.read(path, layout(2))) == [Row(2, "a.jpg", 2, "1 2")]
    assert tables.header(path, layout(2)).header == list(order)


def test_byte_order_mark_quotes_and_line_ends_of_windows(tmp_path: Path) -> None:
    """What a spreadsheet program leaves is read as if it were not there."""
    path = written(tmp_path, b'\xef\xbb\xbf"ImageId","ClassId","EncodedPixels"\r\n"a.jpg","1","1 2"\r\n')
    assert list(tables.read(path, layout(2))) == [Row(2, "a.jpg", 1, "1 2")]


def test_no_line_end_at_the_end(tmp_path: Path) -> None:
    """The last row counts with and without a line end, and empty lines count as none."""
    path = written(tmp_path, "ImageId,ClassId,EncodedPixels\n\na.jpg,1,1 2\n\nb.jpg,1,1 2")
    assert [(row.line, row.image) for row in tables.read(path, layout(1))] == [(3, "a.jpg"), (5, "b.jpg")]
    path = written(tmp_path, "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\n\n")
    assert len(list(tables.read(path, layout(1)))) == 1


def test_a_header_alone(tmp_path: Path) -> None:
    """A table without rows is read as such."""
    assert list(tables.read(written(tmp_path, "ImageId,ClassId,EncodedPixels\n"), layout(2))) == []


def test_filler_class_is_allowed_where_asked_for(tmp_path: Path) -> None:
    """Class 0 stands in sample submissions only."""
    path = written(tmp_path, "ImageId,EncodedPixels,ClassId\na.jpg,1 409600,0\n")
    assert list(tables.read(path, layout(4), filler=True)) == [Row(2, "a.jpg", 0, "1 409600")]
    with pytest.raises(UserError, match=r"line 2: expected a class in 1 … 4, found '0'"):
        list(tables.read(path, layout(4)))


@pytest.mark.parametrize(("row", "message"), WRONG_ROWS)
def test_wrong_rows(tmp_path: Path, row: str, message: str) -> None:
    """A row's fault names the file and the line; the rows before it have been read."""
    path = written(tmp_path, f"ImageId,ClassId,EncodedPixels\nfine.jpg,1,1 2\n{row}\n")
    rows = tables.read(path, layout(2))
    assert next(rows).image == "fine.jpg"
    with pytest.raises(UserError) as reported:
        next(rows)
    assert str(reported.value) == f"{path}, line 3: {message}"


@pytest.mark.parametrize("row", ["a.jpg,1 2", "a.jpg_,1 2", "a.jpg_x,1 2", "_1,1 2"])
def test_wrong_rows_of_2019(tmp_path: Path, row: str) -> None:
    """An image without a class, or a class without an image, is refused with its line."""
    path = written(tmp_path, f"ImageId_ClassId,EncodedPixels\n{row}\n")
    with pytest.raises(UserError, match=r"train\.csv, line 2: expected (a class in 1 … 2|an image's id), found"):
        list(tables.read(path, layout(2)))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", "''"),
        ("\na", "''"),
        ("id,label", "'id,label'"),
        ("ImageId;ClassId;EncodedPixels", "'ImageId;ClassId;EncodedPixels'"),
        ("ImageId,ClassId", "'ImageId,ClassId'"),
        ("ImageId,ClassId,ClassId,EncodedPixels", "'ImageId,ClassId,ClassId,EncodedPixels'"),
        ("imageid,classid,encodedpixels", "'imageid,classid,encodedpixels'"),
    ],
)
def test_wrong_headers(tmp_path: Path, header: str, found: str) -> None:
    """Other columns are refused with both forms that are known and what was found."""
    path = written(tmp_path, header)
    expected = (
        f"{path}, line 1: expected the columns ImageId,ClassId,EncodedPixels (or ImageId_ClassId,EncodedPixels), each "
        f"once and in any order (competition.columns in params.yaml), found {found}"
    )
    for read in (lambda path: tables.header(path, layout(2)), lambda path: list(tables.read(path, layout(2)))):
        with pytest.raises(UserError) as reported:
            read(path)
        assert str(reported.value) == expected


@pytest.mark.parametrize("header", [b"ImageId,ClassId,EncodedPixels\nb.jpg,1,1 2\n", b""])
def test_other_encodings_are_reported(tmp_path: Path, header: bytes) -> None:
    """Bytes that are no UTF-8, in the header or below it, end in a message and not in a traceback."""
    path = written(tmp_path, header + b"r\xf6hre.jpg,1,1 2\n")
    line = 1 + header.count(b"\n")
    with pytest.raises(UserError, match=rf"train\.csv, line {line}: expected CSV in UTF-8, found b'\\xf6'"):
        list(tables.read(path, layout(2)))


def test_utf_16_is_reported(tmp_path: Path) -> None:
    """A table saved as "Unicode text" is refused by its encoding."""
    path = written(tmp_path, "ImageId,ClassId,EncodedPixels\n".encode("utf-16"))
    with pytest.raises(UserError, match=r"train\.csv, line 1: expected CSV in UTF-8, found b'\\xff'"):
        tables.header(path, layout(2))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """A table that is not there, or is a folder, is reported by its path."""
    for path, reason in ((tmp_path / "none.csv", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError) as reported:
            tables.header(path, layout(2))
        assert str(reported.value) == f"{path}: expected a readable CSV file ({reason})"


def test_a_field_longer_than_pythons_limit(tmp_path: Path) -> None:
    """A mask of 200,000 characters, beyond the csv module's own limit of 131,072, is read."""
    runs = " ".join(f"{2 * number + 1} 1" for number in range(25_000))
    path = written(tmp_path, f"ImageId,ClassId,EncodedPixels\na.jpg,1,{runs}\n")
    assert len(runs) > 131_072
    assert next(tables.read(path, layout(1))).runs == runs


def test_a_quote_that_is_never_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of a long table is no field: the message names the line on which it would begin."""
    monkeypatch.setattr(tables, "LONGEST_FIELD", 1000)
    path = written(tmp_path, 'ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\n"b.jpg,1,1 2\n' + "c.jpg,1,1 2\n" * 1000)
    with pytest.raises(UserError, match=r"line 3: expected CSV, found: field larger than field limit \(1000\)"):
        list(tables.read(path, layout(1)))


def test_a_line_without_end_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that goes on and on ends in a message, whatever stands in it, and so does a header."""
    monkeypatch.setattr(tables, "LONGEST_FIELD", 1000)
    monkeypatch.setattr(tables, "_LONGEST_LINE", 4000)
    for content in ("1" * 10_000, "1," * 10_000, "a.jpg,1," + "1 2 " * 1000, '"' * 9_999):
        path = written(tmp_path, "ImageId,ClassId,EncodedPixels\n" + content)
        with pytest.raises(UserError, match="line 2: expected "):
            list(tables.read(path, layout(1)))
    with pytest.raises(UserError, match="line 1: expected the columns"):
        tables.header(written(tmp_path, "ImageId," * 100_000), layout(2))


@pytest.mark.parametrize(
    "name", ["a b.jpg", "Röhre.jpg", "re\u0301.jpg", "钢板_1.JPG", "می\u200cخواهم.jpg", "a,b.jpg", "-rf"]
)
def test_names_in_any_script(tmp_path: Path, name: str) -> None:
    """Names are read letter by letter as they are, not composed otherwise."""
    path = written(tmp_path, f'ImageId,ClassId,EncodedPixels\n"{name}",1,1 2\n')
    assert next(tables.read(path, layout(1))).image == name


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.integers(1, 9), st.sampled_from(["", "1 2", "3 1 5 2"])), max_size=5),
    st.sampled_from([tables.PAIRS, *itertools.permutations(tables.MASKS)]),
)
def test_what_is_written_is_read(rows: list[tuple[str, int, str]], columns: tuple[str, ...]) -> None:
    """Any names, in either form, come back with their classes and runs, row by row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.csv"
        cells = [
            {"ImageId": name, "ClassId": k, "EncodedPixels": runs, "ImageId_ClassId": f"{name}_{k}"}
            for name, k, runs in rows
        ]
        rows_of_table = ([row[column] for column in columns] for row in cells)
        outputs.write_table(path, columns, rows_of_table, for_competition=True)
        assert [(row.image, row.class_id, row.runs) for row in tables.read(path, layout(9))] == rows


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", b"ImageId,ClassId,EncodedPixels\n", b"ImageId_ClassId,EncodedPixels\n"]),
    st.binary(max_size=60) | st.text(alphabet='a.,"_01 \n\r\0/é', max_size=60).map(str.encode),
)
def test_garbage_is_reported(header: bytes, garbage: bytes) -> None:
    """Any table is either read or refused with a `UserError` of one line that names the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), header + garbage)
        reported = None
        try:
            rows = list(tables.read(path, layout(2)))
        except UserError as error:
            rows, reported = [], str(error)
        assert all(row.class_id in (1, 2) and tables.is_file_name(row.image) for row in rows)
        assert reported is None or (reported.startswith(f"{path}, line ") and len(reported.splitlines()) == 1)


def test_rows_are_streamed(tmp_path: Path) -> None:
    """The first row comes before a fault further down is seen."""
    path = written(tmp_path, "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\n" + "x\n" * 100_000)
    assert next(tables.read(path, layout(1))).image == "a.jpg"
