"""A competition's CSV files, read row by row: `stages.dataset.layout.Columns` names their columns.

Severstal's have two forms, of which either is read:

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
from dataclasses import dataclass, replace
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
        image: id of the image, such as "0002cc93b.jpg"; see `stages.dataset.image_names`.
        class_id: number of the class from 1; 0 marks the filler rows of Severstal's sample.
        runs: run lengths, unchecked; see `rle.is_empty`.
    """

    line: int
    image: str
    class_id: int
    runs: str


@dataclass(frozen=True)
class Places:
    """Where the columns of a table are.

    Attributes:
        header: names of all columns, in order.
        image, class_id, both, runs: position of each; None: the table has no such column.
    """

    header: list[str]
    image: int | None
    class_id: int | None
    both: int | None
    runs: int

    @property
    def pairs(self) -> bool:
        """Whether one column holds image and class."""
        return self.both is not None


def header(path: Path, layout: Layout, *, sent: bool = False) -> Places:
    """Find the columns of a table.

    Args:
        path: the CSV file.
        layout: names the columns.
        sent: whether it is a sample submission or a submission.

    Raises:
        UserError: a column is missing, or occurs twice.
    """
    with _open(path) as file:
        return _places(path, file, layout, sent)


def read(path: Path, layout: Layout, *, filler: bool = False, sent: bool = False) -> Iterator[Row]:
    """Read a training table, a sample submission or a submission.

    Args:
        path: the CSV file, UTF-8, with or without a byte order mark.
        layout: names the columns and the classes.
        filler: whether class 0 is allowed (Severstal's sample of today).
        sent: whether it is a sample submission or a submission.

    Yields:
        One `Row` per row of the file, in its order; rows without a mask too.

    Raises:
        UserError: a wrong header, a row with missing or extra fields, or an unknown class. Names the file and line.
    """
    class_ids = {label: class_id for class_id, label in enumerate(layout.labels, start=1)}
    if filler:
        class_ids.setdefault("0", 0)
    with _open(path) as file:
        places = _places(path, file, layout, sent)
        classes = _Classes(path, layout, class_ids)
        csv.field_size_limit(LONGEST_FIELD)
        reader = csv.reader(iter(lambda: file.readline(_LONGEST_LINE), ""), strict=True)
        last = 1  # last line of the previous row; a quoted field may contain line ends
        try:
            for fields in reader:
                line, last = last + 1, reader.line_num + 1
                if not fields:  # an empty line, as editors leave at the end
                    continue
                if len(fields) != len(places.header):
                    raise UserError(f"{path}, line {line}: expected {len(places.header)} fields, found {len(fields)}")
                image, class_id = classes.of(fields, places, line)
                if not is_file_name(image):
                    raise UserError(f"{path}, line {line}: expected an image's id, found {_short(image)}")
                yield Row(line, image, class_id, fields[places.runs])
        except csv.Error as error:
            raise UserError(f"{path}, line {last + 1}: expected CSV, found: {error}") from None
        except UnicodeDecodeError:
            raise _not_utf_8(path) from None


@dataclass(frozen=True)
class _Classes:
    """Reads image and class of a row."""

    path: Path
    layout: Layout
    class_ids: dict[str, int]

    def of(self, fields: list[str], places: Places, line: int) -> tuple[str, int]:
        if places.both is not None:
            return self._split(fields[places.both], line)
        image = fields[places.image or 0]
        if places.class_id is None:
            return image, 1
        return image, self._known(fields[places.class_id], line)

    def _split(self, text: str, line: int) -> tuple[str, int]:
        """IMAGE_CLASS; a label may hold underscores itself, so the longest that fits counts."""
        place = text.find("_")
        while place >= 0:
            if text[place + 1 :] in self.class_ids:
                return text[:place], self.class_ids[text[place + 1 :]]
            place = text.find("_", place + 1)
        raise self._unknown(text.rpartition("_")[2], line)

    def _known(self, label: str, line: int) -> int:
        if label in self.class_ids:
            return self.class_ids[label]
        raise self._unknown(label, line)

    def _unknown(self, label: str, line: int) -> UserError:
        """A class that is written otherwise, such as 01: a submission would not write it as the sample does."""
        labels, highest = self.layout.columns.class_labels, self.layout.number_of_classes
        if labels is None:
            return UserError(
                f"{self.path}, line {line}: expected a class in {min(self.class_ids.values())} … {highest}, found "
                f"{_short(label)} (competition.classes in params.yaml names {highest}; classes that are written "
                "otherwise need competition.columns.class_labels)"
            )
        return UserError(
            f"{self.path}, line {line}: expected one of the classes {_short(', '.join(labels))[1:-1]} "
            f"(competition.columns.class_labels in params.yaml), found {_short(label)}"
        )


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


def _places(path: Path, file: IO[str], layout: Layout, sent: bool) -> Places:
    columns = layout.columns
    nameless = sent and layout.submission.rows in ("images", "components")  # their rows name no class
    if nameless:
        columns = replace(columns, class_id=None, image_and_class=None)
    names = [name.strip(" ") for name in _header(path, file)]
    runs = (columns.sent_runs if sent else columns.runs).strip(" ")
    pair, wanted = columns.image_and_class and columns.image_and_class.strip(" "), [columns.image]
    if pair is not None and pair in names:
        wanted = [pair]
    elif columns.class_id is not None:
        wanted.append(columns.class_id)
    wanted = [*(name.strip(" ") for name in wanted), runs]
    missing = [name for name in wanted if name not in names]
    twice = [name for name in wanted if names.count(name) > 1]
    if missing or twice:
        both = f" (or {pair},{runs})" if pair is not None and pair not in names else ""
        raise UserError(
            f"{path}, line 1: expected the columns {','.join(wanted)}{both}, each once and in any order "
            f"(competition.columns in params.yaml), found {','.join(names)[:200]!r}"
        )
    place = {name: names.index(name) for name in wanted}
    if pair is not None and pair in names:
        return Places(names, None, None, place[pair], place[runs])
    if columns.class_id is None and not nameless and layout.number_of_classes > 1:
        sending = ", or competition.submission.rows: images or components" if sent else ""
        raise UserError(
            f"{path}, line 1: expected a column for the class, because competition.classes names "
            f"{layout.number_of_classes}, found {','.join(names)[:200]!r} (competition.columns.class_id or "
            f"image_and_class names it{sending})"
        )
    class_id = None if columns.class_id is None else place[columns.class_id.strip(" ")]
    return Places(names, place[columns.image.strip(" ")], class_id, None, place[runs])


def _header(path: Path, file: IO[str]) -> list[str]:
    try:
        return next(csv.reader([file.readline(_LONGEST_HEADER)], strict=True), [])
    except csv.Error as error:
        raise UserError(f"{path}, line 1: expected CSV, found: {error}") from None
    except UnicodeDecodeError:
        raise _not_utf_8(path) from None
