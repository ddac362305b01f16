"""kept_folds.csv: which images keep a fold, and what is wrong with a table."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.dataset import kept_folds
from stages.dataset.kept_folds import KeptImage
from stages.pipeline.cli import UserError

PATH = Path("kept_folds.csv")


def found(rows: list[KeptImage], images: str, contents: str) -> tuple[list[int], int]:
    """The fold of each image, and how many rows are gone."""
    kept = kept_folds.of(rows, images.split(), contents.split(), PATH)
    return kept.fold.tolist(), kept.gone


def test_no_table(tmp_path: Path) -> None:
    """Without a file, or with a header alone, all images are new."""
    assert kept_folds.read(tmp_path / "none.csv", 3) == []
    (tmp_path / "header.csv").write_text("image,fold,content\n")
    assert kept_folds.read(tmp_path / "header.csv", 3) == []
    assert found([], "a b", "1 2") == ([-1, -1], 0)


def test_the_content_decides() -> None:
    """a.png passed to another picture and its own is called c.png now; b.png is gone."""
    rows = [KeptImage("a.png", 0, "1"), KeptImage("b.png", 2, "2")]
    assert found(rows, "a.png c.png", "9 1") == ([-1, 0], 1)


def test_the_name_decides_where_the_content_is_unknown() -> None:
    """Of a table by hand, and of a picture that was edited and kept its name."""
    rows = [KeptImage("a.png", 0, ""), KeptImage("b.png", 2, "2")]
    assert found(rows, "a.png b.png c.png", "1 9 3") == ([0, 2, -1], 0)


def test_copies_of_one_picture() -> None:
    """Each keeps the fold of its name; a further copy goes to the held-out fold, if one of them lies there."""
    rows = [KeptImage("a.png", 0, "1"), KeptImage("b.png", 2, "1")]
    assert found(rows, "a.png b.png c.png", "1 1 1") == ([0, 2, 2], 0)


@given(st.permutations(list(range(6))))
def test_the_order_of_rows_decides_nothing(order: list[int]) -> None:
    """The table may be sorted by anything."""
    rows = [KeptImage(f"{number}.png", number % 3, str(number // 2)) for number in range(6)]
    images, contents = "0.png x.png 5.png 2.png", "0 0 2 7"
    assert found([rows[number] for number in order], images, contents) == found(rows, images, contents)


def test_written_and_read(tmp_path: Path) -> None:
    """Names that a spreadsheet would take for formulas come back as they were."""
    path, images = tmp_path / "folds.csv", ["=1.png", "ä, b.png"]
    kept_folds.write(path, images, np.array([0, 2]), ["ab", "12"])
    assert kept_folds.read(path, 3) == [KeptImage("=1.png", 0, "ab"), KeptImage("ä, b.png", 2, "12")]


def test_the_index_of_a_prepared_data_set_is_such_a_table(tmp_path: Path) -> None:
    """Other columns are ignored, so that an index.csv of before kept_folds.csv will do."""
    (tmp_path / "index.csv").write_text("image,fold,group,height\na.png,0,0,9\nb.png,1,1,9\n")
    assert kept_folds.read(tmp_path / "index.csv", 2) == [KeptImage("a.png", 0, ""), KeptImage("b.png", 1, "")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image;fold\na;0\n", "expected the columns image and fold, found image;fold"),
        (b"", "expected the columns image and fold, found nothing"),
        (b"\x89PNG\r\n\x1a\n\0", "expected CSV with the columns image and fold, found: "),
        (b"image,fold\na.png,x\n", "line 2: expected a file name and a fold, found 'a.png' and 'x'"),
        (b"image,fold\na.png,-1\n", "line 2: expected a file name and a fold, found 'a.png' and '-1'"),
        (b"image,fold\na.png\n", "line 2: expected a file name and a fold, found 'a.png' and ''"),
        (b"image,fold\na.png,2\na.png,2\n", "line 3: expected each image once, found a.png again"),
        (b"image,fold\na.png,2\na.png,1\n", "line 3: expected each image once, found a.png again"),
        (b"image,fold\na.png,4\n", r"expected images of the folds 0 … 2 \(preprocess.folds: 3\), found folds up to 4"),
        (b"image,fold\na.png,1\n", r"expected images of the folds 0 … 2 \(preprocess.folds: 3\), found folds up to 1"),
    ],
)
def test_no_such_table(tmp_path: Path, content: bytes, message: str) -> None:
    """One message each, which names the file."""
    path = tmp_path / "kept_folds.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as refused:
        kept_folds.read(path, 3)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_a_folder_instead_of_a_table(tmp_path: Path) -> None:
    """It cannot be read."""
    with pytest.raises(UserError, match="cannot be read"):
        kept_folds.read(tmp_path, 3)


def test_a_table_of_another_data_set() -> None:
    """Not one of its images is there: it was left from other data."""
    with pytest.raises(UserError, match=r"expected images of this data set, such as b\.png, found 1 others, such as a"):
        found([KeptImage("a.png", 0, "1")], "b.png", "2")


def test_what_is_told() -> None:
    """Two keep their fold, one is new, and one moved with its near-duplicate into the held-out fold."""
    kept = kept_folds.Kept(np.array([0, 2, -1, 1]), gone=5)
    figures = kept_folds.figures(kept, np.array([0, 2, 2, 2]), held_out=2)
    assert figures == {"kept": 2, "new": 1, "gone": 5, "moved": 1, "moved_to_held_out": 1}
    kept_line, moved_line = kept_folds.describe(figures)
    assert "2 images keep their fold, 1 are new, 5 of the table are no longer there" in kept_line
    assert "1 images moved" in moved_line
    assert kept_folds.describe(None) == []
