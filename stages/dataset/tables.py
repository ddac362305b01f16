"""The competition's CSV files, in both forms, read row by row.

| file | in 2019 | today |
| --- | --- | --- |
| `train.csv` | `ImageId_ClassId,EncodedPixels`: a row per image and class, empty when there is no mask | `ImageId,ClassId,EncodedPixels`: a row per mask |
| `sample_submission.csv` | `ImageId_ClassId,EncodedPixels`: a row per image and class | `ImageId,EncodedPixels,ClassId`: a row per image |

Rows are streamed, so that a table larger than memory can be read, and every fault is reported with its line, which
pandas does not know.
"""  # noqa: E501  (a table)

import csv
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from stages.dataset.layout import Layout
from stages.pipeline.cli import UserError

PAIRS = ("ImageId_ClassId", "EncodedPixels")
MASKS = ("ImageId", "ClassId", "EncodedPixels")

# Characters. Run lengths of 409,600 pixels have 1.8 million at most; after an unclosed quote, a field would otherwise
# grow to the whole file.
LONGEST_FIELD = 2**24
_LONGEST_LINE = 4 * LONGEST_FIELD  # a longer line has a field that is too long, or too many fields
_LONGEST_HEADER = 2**16
_CONTROLS = ("Cc", "Cs", "Zl", "Zp")  # not "Cf": some scripts need joiners


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        line: its first line in the file, counted from 1, the header included.
        image: file name of the image, such as "0002cc93b.jpg".
        class_id: number of the class from 1; 0 marks today's filler rows.
        runs: run lengths, unchecked; "" where there is no mask.
    """

    line: int
    image: str
    class_id: int
    runs: str


def header(path: Path) -> list[str]:
    """Columns of a table, in its order: those of `PAIRS`, or those of `MASKS`.

    Raises:
        UserError: the table has other columns.
    """
    with _open(path) as file:
        return _header(path, file)


def read(path: Path, layout: Layout, *, filler: bool = False) -> Iterator[Row]:
    """Read `train.csv`, `sample_submission.csv` or `submission.csv`, in either form.

    Args:
        path: the CSV file, UTF-8, with or without a byte order mark.
        layout: of the competition; a ClassId must be one of its classes.
        filler: whether class 0 is allowed (sample submissions of today's form).

    Yields:
        One `Row` per row of the file, in its order; rows without a mask too.

    Raises:
        UserError: a wrong header, a row with missing or extra fields, or an unknown class. Names the file and line.
    """
    least, highest = 0 if filler else 1, layout.number_of_classes
    with _open(path) as file:
        columns = _header(path, file)
        places = [columns.index(name) for name in (PAIRS if len(columns) == len(PAIRS) else MASKS)]
        csv.field_size_limit(LONGEST_FIELD)
        reader = csv.reader(iter(lambda: file.readline(_LONGEST_LINE), ""), strict=True)
        last = 1  # last line of the previous row; a quoted field may contain line ends
        try:
            for fields in reader:
                line, last = last + 1, reader.line_num + 1
                if not fields:  # an empty line, as editors leave at the end
                    continue
                if len(fields) != len(columns):
                    raise UserError(f"{path}, line {line}: expected {len(columns)} fields, found {len(fields)}")
                image, *between, runs = [fields[place] for place in places]
                if between:
                    number = between[0]
                else:
                    image, _, number = image.rpartition("_")
                if not is_file_name(image):
                    raise UserError(f"{path}, line {line}: expected an image's file name, found {_short(image)}")
                class_id = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else -1
                if not least <= class_id <= highest:
                    raise UserError(
                        f"{path}, line {line}: expected a class in {least} … {highest}, found {_short(number)} "
                        f"(competition.classes in params.yaml names {highest})"
                    )
                yield Row(line, image, class_id, runs)
        except csv.Error as error:
            raise UserError(f"{path}, line {last + 1}: expected CSV, found: {error}") from None
        except UnicodeDecodeError:
            raise _not_utf_8(path) from None


def is_file_name(name: str) -> bool:
    """Whether a text is a file name, not a path, and free of line breaks and other control characters."""
    if name in ("", ".", "..") or "/" in name:
        return False
    return name.isprintable() or not any(unicodedata.category(character) in _CONTROLS for character in name)


def _short(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "…")


def _open(path: Path) -> IO[str]:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise UserError(f"{path}: expected a readable CSV file ({error.strerror})") from None


def _not_utf_8(path: Path) -> UserError:
    """An error that names the first line that is not UTF-8. Python decodes in blocks, so the reader cannot tell."""
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return UserError(
                    f"{path}, line {number}: expected CSV in UTF-8, found {line[error.start : error.end]!r}"
                )
    return UserError(f"{path}: expected CSV in UTF-8, found another encoding")


def _header(path: Path, file: IO[str]) -> list[str]:
    try:
        columns = next(csv.reader([file.readline(_LONGEST_HEADER)], strict=True), [])
    except csv.Error as error:
        raise UserError(f"{path}, line 1: expected CSV, found: {error}") from None
    except UnicodeDecodeError:
        raise _not_utf_8(path) from None
    if sorted(columns) not in (sorted(PAIRS), sorted(MASKS)):
        raise UserError(
            f"{path}, line 1: expected the columns {','.join(PAIRS)} or {','.join(MASKS)} in any order, "
            f"found {','.join(columns)[:200]!r}"
        )
    return columns
