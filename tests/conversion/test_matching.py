"""Which image a label belongs to, by paths alone."""

import unicodedata
from pathlib import Path

import pytest

from stages.conversion import matching
from stages.pipeline.cli import UserError


def matched(labels: str, images: str) -> dict[str, str]:
    """The image of each label; paths are given as words."""
    paths = {path: Path("images", f"{path}.jpg") for path in images.split()}
    return matching.owners([(path, path) for path in labels.split()], paths)


def test_equal_paths_match() -> None:
    """Equal names in several folders each have their own label."""
    assert matched("a/1 b/1", "b/1 a/1") == {"a/1": "a/1", "b/1": "b/1"}


@pytest.mark.parametrize(
    ("labels", "images", "image"),
    [
        ("1", "a/1 a/2", "a/1"),
        ("x/1", "1 2", "1"),
        ("x/1", "a/1 a/2", "a/1"),
        ("set/b/1", "a/1 b/1", "b/1"),
        ("b/1", "new/a/1 new/b/1", "new/b/1"),
    ],
)
def test_other_folders_match_by_name_if_one_image_fits(
    capsys: pytest.CaptureFixture[str], labels: str, images: str, image: str
) -> None:
    """The image that shares the most last parts of the path, which is told."""
    assert matched(labels, images) == {labels: image}
    assert f"matched by their names: 1 ({labels})" in capsys.readouterr().out


@pytest.mark.parametrize(("label", "images"), [("1", "a/1 b/1"), ("x/1", "a/1 b/1"), ("c/x/1", "a/x/1 b/x/1")])
def test_several_images_that_fit_are_named(label: str, images: str) -> None:
    """No label is given to one of them by chance."""
    one, other = images.split()
    with pytest.raises(UserError) as refusal:
        matched(label, images)
    assert f"{label}: expected one image of this name, found images/{one}.jpg and images/{other}.jpg" in str(
        refusal.value
    )


def test_where_folders_are_parallel_no_label_moves() -> None:
    """The label a/2 has lost its image: it does not go to b/2, although that is the only 2."""
    assert matched("a/1 a/2", "a/1 b/2") == {"a/1": "a/1"}


def test_a_label_beside_equal_paths_is_matched_by_name() -> None:
    """Flat names that are equal say nothing about folders."""
    assert matched("1 2", "1 sub/2") == {"1": "1", "2": "sub/2"}


def test_two_forms_of_an_accent_are_one_name() -> None:
    """Systems differ in the Unicode form of file names."""
    one, other = (Path("x", unicodedata.normalize(form, "é.jpg")) for form in ("NFC", "NFD"))
    assert one != other
    assert matching.key(one, Path("x")) == matching.key(other, Path("x"))


def test_two_files_of_one_key_are_named() -> None:
    """A label of that name could belong to either."""
    with pytest.raises(UserError, match=r"^x: expected one image named a, found x/a.jpg and x/a.png$"):
        matching.by_key([Path("x/a.jpg"), Path("x/a.png"), Path("x/b/a.png")], Path("x"), "image")
