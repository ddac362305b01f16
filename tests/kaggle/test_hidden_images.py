"""Ids of test images that exist only where the notebook runs."""

from pathlib import Path

import pytest

from stages.dataset.layout import Files, Layout
from stages.pipeline.cli import UserError

pytestmark = pytest.mark.slow  # the notebook imports TensorFlow


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("test/([^/]+)", "a.1.png"), (r"test/([^/]+)\.png", "a.1"), (r"test/(a)\.(\d)\.png", "a_1")],
)
def test_ids_are_those_of_the_pattern(pattern: str, expected: str, tmp_path: Path) -> None:
    """With the extension where the groups hold it, because the tables' ids have it too."""
    from stages.kaggle import notebook

    layout = Layout(("pit",), 2, 3, files=Files(test_images=pattern, hidden_test=True))
    mounted = tmp_path / "competition"
    (mounted / "test").mkdir(parents=True)
    (mounted / "test/a.1.png").touch()
    (mounted / "sample_submission.csv").write_text("ImageId_ClassId,EncodedPixels\n", encoding="utf-8")
    competition, names = notebook._competition(tmp_path, layout)
    sample = notebook._sample(competition / "sample_submission.csv", layout, names)
    assert (sample.images, list(names.values())) == ([expected], ["test/a.1.png"])


def test_where_they_are_hidden(tmp_path: Path) -> None:
    """Kaggle runs the saved version without them: a header is written. Without hidden images in the layout, refused."""
    from stages.dataset import submission
    from stages.kaggle import notebook

    header = "ImageId_ClassId,EncodedPixels\n"
    (tmp_path / "competition").mkdir()
    (tmp_path / "competition/sample_submission.csv").write_text(header, encoding="utf-8")
    layout = Layout(("pit",), 2, 3, files=Files(test_images="test/(.+)", hidden_test=True))
    competition, names = notebook._competition(tmp_path, layout)
    sample = notebook._sample(competition / "sample_submission.csv", layout, names)
    submission.write(tmp_path / "submission.csv", sample, iter([]), "sample")
    counts = submission.check(tmp_path / "submission.csv", sample, "sample", lambda image: (2, 3))
    assert ((tmp_path / "submission.csv").read_text(encoding="utf-8"), counts["images"]) == (header, 0)
    with pytest.raises(UserError, match=r"expected one competition with .* and test images \(test/\(.\+\)\), found 0"):
        notebook._competition(tmp_path, Layout(("pit",), 2, 3, files=Files(test_images="test/(.+)")))
