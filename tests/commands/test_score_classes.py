"""`score --classes` with a layout that was stated for other classes."""

from dataclasses import replace
from pathlib import Path

import pytest

from stages.commands import score
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Columns, Layout, Metric, SubmissionForm
from stages.pipeline.cli import UserError

ONE = Layout(("pit",), 2, 3)


@pytest.mark.parametrize("rows", ["images", "components"])
def test_rows_that_name_no_class_are_scored_joined(rows: str, tmp_path: Path) -> None:
    """The two classes of the truth are one mask then, and not a missed mask of the second: Dice 1."""
    stated = replace(ONE, submission=SubmissionForm(rows=rows))  # type: ignore[arg-type]
    (tmp_path / "sent.csv").write_text("ImageId,EncodedPixels\na,1 4\n", encoding="utf-8")
    (tmp_path / "true.csv").write_text("ImageId,ClassId,EncodedPixels\na,1,1 2\na,2,3 2\n", encoding="utf-8")
    layout = score.with_classes(stated, ("pit", "line"))
    sizes = ImageSizes(tmp_path / "none", ImageNames(()), layout)
    lines = score.score(tmp_path / "sent.csv", tmp_path / "true.csv", sizes).splitlines()
    assert lines[0] == "score: 1 images, 1 pairs of image and class"
    assert lines[1].split("  ", maxsplit=1)[0] == "score (mean_dice, classes joined)"
    assert lines[1].split()[-1] == "1.0000"
    assert not score.with_classes(layout, ("pit",)).metric.joined


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            replace(ONE, columns=Columns(class_labels=("p",))),
            r"--classes: expected 1 names, one for each of .* \(p\), f",
        ),
        (
            replace(ONE, metric=Metric("iou_thresholds")),
            "--classes: expected one name with competition.metric: iou_thr",
        ),
    ],
)
def test_a_number_of_classes_that_contradicts_the_layout(stated: Layout, message: str) -> None:
    """Refused before a table is read."""
    assert score.with_classes(stated, ("line",)).classes == ("line",)
    with pytest.raises(UserError, match=message):
        score.with_classes(stated, ("pit", "line"))
