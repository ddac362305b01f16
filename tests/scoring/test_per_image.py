"""metrics/images.csv, as it is read."""

import numpy as np
import pytest

from stages.pipeline.cli import UserError
from stages.scoring import per_image

HEADER = "split,image,group,class,dice,true_pixels,predicted_pixels,intersection"
ROWS = [
    "held_out,b.jpg,4,pit,0.1,10,10,1",
    "held_out,b.jpg,4,NA,1.0,0,0,0",
    "held_out,a.jpg,7,pit,0.3333333333333333,3,3,1",
    "held_out,a.jpg,7,NA,0.0,0,2,0",
    "validation,c.jpg,1,pit,1.0,5,5,5",
    "validation,c.jpg,1,NA,1.0,0,0,0",
]


def test_splits_images_and_classes_keep_their_order() -> None:
    """Names are text, also those that pandas takes for a missing value; Dice is exact to the last digit."""
    found = per_image.read([HEADER, *ROWS], "drawn")
    assert list(found) == ["held_out", "validation"]
    scores = found["held_out"]
    assert (scores.images, scores.classes, scores.groups.tolist()) == (["b.jpg", "a.jpg"], ["pit", "NA"], [4, 7])
    assert scores.dice.tolist() == [[0.1, 1.0], [1 / 3, 0.0]]
    assert scores.true.tolist() == [[10, 0], [3, 0]]
    assert scores.predicted.tolist() == [[10, 0], [3, 2]]
    assert scores.intersection.tolist() == [[1, 0], [1, 0]]
    assert (scores.dice.dtype, scores.true.dtype) == (np.float64, np.int64)


def test_line_ends_do_not_matter() -> None:
    """Lines of a file end in LF or CRLF, those of a list do not."""
    (one, other, last) = (
        per_image.read([line + end for line in [HEADER, *ROWS]], "drawn") for end in ("", "\n", "\r\n")
    )
    assert one["held_out"].images == other["held_out"].images == last["held_out"].images


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["image,class", "a.jpg,pit"],
            "expected the columns of metrics/images.csv, found no dice, group, intersection",
        ),
        ([], "found: No columns"),
        ([HEADER, *ROWS[:3]], "3 rows for 2 images and 2 classes"),
        ([HEADER, ROWS[0], ROWS[0], *ROWS[2:4]], "found: "),
        ([HEADER, ROWS[0].replace(",10,10,", ",10,,")], "found: "),
        ([HEADER, ROWS[0].replace(",10,10,", f",10,{2**70},")], "found: "),
    ],
)
def test_another_table_is_refused(lines: list[str], message: str) -> None:
    """Other columns, no columns, a missing row, a row twice, a missing number, one beyond 64 bits."""
    with pytest.raises(UserError, match=f"^drawn: .*{message}"):
        per_image.read(lines, "drawn")
